# Reads `go test -v` output, prints "pass|fail|skip TAB name TAB reason" for each
# test that has no subtests of its own.
/^=== (RUN|NAME|CONT) / { current = $3; next }
/^[ \t]+[A-Za-z0-9_.-]+\.go:[0-9]+: / { line = $0; sub(/^[ \t]+[^ ]+ /, "", line); reason[current] = line; next }
/^[ \t]*--- (PASS|FAIL|SKIP): / {
	state = tolower(substr($2, 1, 4)); name = $3
	result[++n] = name; what[name] = state
	if (match(name, /^.*\//)) parent[substr(name, 1, RLENGTH - 1)] = 1
	next
}
# A package's end: names are unique only within one.
/^(ok|FAIL|\?)[ \t]/ { flush_all(); next }
END { flush_all() }
function flush_all(   i, name) {
	for (i = 1; i <= n; i++) {
		name = result[i]
		if (!(name in parent)) print what[name] "\t" name "\t" (what[name] == "skip" ? reason[name] : "")
	}
	split("", result); split("", what); split("", parent); split("", reason); n = 0; current = ""
}
