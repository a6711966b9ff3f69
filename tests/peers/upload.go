// Uploads a file by net/http: upload chunks|whole URL FILE. Hands the file to the library, or all of its bytes.
package main

import (
	"bytes"
	"io"
	"log"
	"net/http"
	"os"
)

func main() {
	log.SetFlags(0)
	mode, url, path := os.Args[1], os.Args[2], os.Args[3]
	body, size, err := open(path, mode)
	if err != nil {
		log.Fatal(err)
	}
	request, err := http.NewRequest(http.MethodPut, url, body)
	if err != nil {
		log.Fatal(err)
	}
	request.ContentLength = size
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		log.Fatal(err)
	}
	if response.StatusCode != http.StatusOK {
		log.Fatal(response.Status)
	}
}

func open(path, mode string) (io.Reader, int64, error) {
	if mode == "whole" {
		content, err := os.ReadFile(path)
		return bytes.NewReader(content), int64(len(content)), err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	state, err := file.Stat()
	if err != nil {
		return nil, 0, err
	}
	return file, state.Size(), nil
}
