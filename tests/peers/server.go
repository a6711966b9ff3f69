// A server by net/http: server PORT chunks|whole. It holds whole bodies, or passes over them chunk by chunk.
package main

import (
	"io"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
)

const chunk = 1 << 16

func main() {
	port, mode := os.Args[1], os.Args[2]
	handler := func(answer http.ResponseWriter, request *http.Request) {
		if request.Method == http.MethodGet {
			give(answer, strings.Trim(request.URL.Path, "/"), mode)
		} else {
			take(answer, request.Body, mode)
		}
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+port, http.HandlerFunc(handler)))
}

func take(answer http.ResponseWriter, body io.Reader, mode string) {
	var err error
	if mode == "whole" {
		_, err = io.ReadAll(body)
	} else {
		_, err = io.Copy(io.Discard, body)
	}
	if err != nil {
		http.Error(answer, err.Error(), http.StatusBadRequest)
	}
}

func give(answer http.ResponseWriter, text, mode string) {
	size, err := strconv.Atoi(text)
	if err != nil {
		http.Error(answer, err.Error(), http.StatusNotFound)
		return
	}
	piece := chunk
	if mode == "whole" {
		piece = size
	}
	answer.Header().Set("Content-Length", text)
	content := make([]byte, piece)
	for left := size; left > 0; left -= piece {
		if left < piece {
			content = content[:left]
		}
		if _, err := answer.Write(content); err != nil {
			return
		}
	}
}
