package compose

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
)

// client reaches one repository as its .repo file says.
type client struct {
	http   *http.Client
	access Access
}

func newClient(a Access) (*client, error) {
	config := &tls.Config{InsecureSkipVerify: a.Insecure} //nolint:gosec // sslverify=0 is the user's word
	if a.CA != "" {
		pem, err := os.ReadFile(a.CA)
		if err != nil {
			return nil, fmt.Errorf("reading sslcacert: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("reading sslcacert: no certificate in %s", a.CA)
		}
	}
	if a.Cert != "" {
		key := a.Key
		if key == "" {
			key = a.Cert
		}
		pair, err := tls.LoadX509KeyPair(a.Cert, key)
		if err != nil {
			return nil, fmt.Errorf("reading sslclientcert: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	proxy, err := proxyOf(a)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		Proxy: proxy, TLSClientConfig: config, ForceAttemptHTTP2: true,
		DisableCompression:  true, // packages come as they are
		MaxIdleConnsPerHost: defaultJobs,
	}
	return &client{http: &http.Client{Transport: transport}, access: a}, nil
}

func proxyOf(a Access) (func(*http.Request) (*url.URL, error), error) {
	switch a.Proxy {
	case "":
		return http.ProxyFromEnvironment, nil
	case "_none_":
		return nil, nil
	}
	u, err := url.Parse(a.Proxy)
	if err != nil {
		return nil, errors.New("its proxy is not a URL") // the error would quote a password
	}
	if a.ProxyUsername != "" {
		u.User = url.UserPassword(a.ProxyUsername, a.ProxyPassword)
	}
	return http.ProxyURL(u), nil
}

func (c *client) do(req *http.Request) (*http.Response, error) {
	req.Header.Set("User-Agent", "nosa")
	if c.access.Username != "" {
		req.SetBasicAuth(c.access.Username, c.access.Password)
	}
	return c.http.Do(req)
}

// read gives the content of a small file at a file:, http: or https: address or path.
func (c *client) read(req *http.Request) ([]byte, error) {
	const limit = 1 << 20
	if req.URL.Scheme == "file" || req.URL.Scheme == "" {
		return os.ReadFile(req.URL.Path)
	}
	resp, err := c.do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, status(resp)
	}
	return io.ReadAll(io.LimitReader(resp.Body, limit))
}
