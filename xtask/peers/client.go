// A client of net/http: client.go 1|2 up|down URL FILE CA_FILE
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	version, direction, url, path := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	pem, err := os.ReadFile(os.Args[5])
	check(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: version == "2"}
	method, body := http.MethodGet, io.Reader(nil)
	if direction == "up" {
		file, err := os.Open(path)
		check(err)
		// A reader of unknown length is sent in chunks.
		method, body = http.MethodPut, io.MultiReader(file)
	}
	request, err := http.NewRequest(method, url, body)
	check(err)
	response, err := (&http.Client{Transport: transport}).Do(request)
	check(err)
	if response.StatusCode >= 300 || fmt.Sprint(response.ProtoMajor) != version {
		check(fmt.Errorf("%s over %s", response.Status, response.Proto))
	}
	target := io.Discard
	if direction == "down" {
		file, err := os.Create(path)
		check(err)
		target = file
	}
	_, err = io.Copy(target, response.Body)
	check(err)
}
