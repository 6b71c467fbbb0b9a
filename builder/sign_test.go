package builder

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOneSigner(t *testing.T) {
	const (
		usable  = "sec:u:255:22:0123456789ABCDEF:1700000000:::u:::scESC:::+::ed25519:::0:\nfpr:::::::::AAAA:\ngrp:::::::::CCCC:\nuid:u::::1700000000::HASH::signer::::::::::0:\nssb:u:255:18:FEDCBA9876543210:1700000000::::::e:::+::cv25519::\nfpr:::::::::BBBB:\n"
		expired = "sec:e:255:22:0123456789ABCDEF:1700000000:1700000001::u:::sc:::+::ed25519:::0:\nfpr:::::::::AAAA:\n"
		revoked = "sec:r:255:22:0123456789ABCDEF:1700000000:::u:::sc:::+::ed25519:::0:\nfpr:::::::::AAAA:\n"
		cipher  = "sec:u:255:22:0123456789ABCDEF:1700000000:::u:::cE:::+::ed25519:::0:\nfpr:::::::::AAAA:\n"
	)
	for _, tt := range []struct{ name, list, said, want, fails string }{
		{name: "one", list: usable, want: "AAAA"},
		{name: "none", said: "gpg: error reading key: No secret key", fails: "there is no such secret key"},
		{name: "no agent", said: "gpg: can't connect to the agent: IPC connect call failed", fails: "gpg: can't connect to the agent: IPC connect call failed"},
		{name: "two", list: usable + strings.ReplaceAll(usable, "AAAA", "DDDD"), fails: "several secret keys are called so: AAAA, DDDD"},
		{name: "expired", list: expired, fails: "it has expired"},
		{name: "revoked", list: revoked, fails: "it is revoked"},
		{name: "for encryption", list: cipher, fails: "it is not for signing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := oneSigner(parseSecretKeys(tt.list), tt.said)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if diff := cmp.Diff([]string{tt.want, tt.fails}, []string{got, text}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestKeyring is about what GnuPG itself says.
func TestKeyring(t *testing.T) {
	for _, program := range []string{"gpg", "gpgconf"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") == "true" || os.Getenv("NOSA_STRICT") == "1" {
				t.Fatal(err)
			}
			t.Skip(err)
		}
	}
	home, err := os.MkdirTemp("", "gpg-") //nolint:usetesting // the path of a socket in it is limited
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) {
		cmd := exec.CommandContext(context.WithoutCancel(t.Context()), args[0], args[1:]...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
	}
	t.Cleanup(func() {
		run("gpgconf", "--homedir", home, "--kill", "all")
		os.RemoveAll(home)
	})
	if err := os.WriteFile(home+"/gpg-agent.conf", []byte("s2k-count 65536\n"), 0o600); err != nil { // else a second of measuring
		t.Fatal(err)
	}
	k := keyring{home: home}
	run(k.args("--quiet", "--passphrase=", "--quick-generate-key", "open", "ed25519", "sign", "never")...)
	run(k.args("--quiet", "--passphrase=secret", "--pinentry-mode=loopback", "--quick-generate-key", "locked", "ed25519", "sign", "never")...)
	run("gpgconf", "--homedir", home, "--kill", "all") // forgets the passphrase
	if !k.there() || (keyring{home: home + "-not"}).there() {
		t.Error("where the keys are is not seen")
	}
	if _, err := k.signer(t.Context(), "nobody"); err == nil || err.Error() != "there is no such secret key" {
		t.Errorf("nobody's key: %v", err)
	}
	locked, err := k.signer(t.Context(), "locked")
	if err != nil {
		t.Fatal(err)
	}
	if err := k.try(t.Context(), locked); err == nil {
		t.Error("a key with a passphrase signs without it")
	}
	key, err := k.signer(t.Context(), "open")
	if err != nil {
		t.Fatal(err)
	}
	if err := k.try(t.Context(), key); err != nil {
		t.Error(err)
	}
	dir := t.TempDir()
	name := dir + "/data"
	if err := os.WriteFile(name, []byte("data"), 0o600); err != nil {
		t.Fatal(err)
	}
	run(k.args("--local-user", key, "--output", name+".sig", "--detach-sign", name)...)
	signature, err := os.ReadFile(name + ".sig")
	if err != nil {
		t.Fatal(err)
	}
	empty := keyring{home: t.TempDir()}
	for _, tt := range []struct {
		name string
		in   keyring
		data string
		want signatureState
		key  string
	}{
		{"good", k, "data", signatureGood, key},
		{"of something else", k, "date", signatureBad, key[len(key)-16:]},
		{"of somebody else", empty, "data", signatureUnknown, key[len(key)-16:]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			state, by, err := tt.in.check(t.Context(), t.TempDir(), []byte(tt.data), signature)
			if err != nil || state != tt.want || by != tt.key {
				t.Errorf("%s by %s, %v, want %s by %s", state, by, err, tt.want, tt.key)
			}
		})
	}
}
