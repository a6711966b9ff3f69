// A server by net/http: form_server PORT. It answers a line for each field of a form: name, file name, type and size. The
// mime/multipart reader passes over files chunk by chunk.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
)

func main() {
	handler := func(answer http.ResponseWriter, request *http.Request) {
		reader, err := request.MultipartReader()
		if err != nil {
			http.Error(answer, err.Error(), http.StatusUnsupportedMediaType)
			return
		}
		for {
			part, err := reader.NextPart()
			if err == io.EOF {
				return
			}
			if err != nil {
				http.Error(answer, err.Error(), http.StatusBadRequest)
				return
			}
			size, err := io.Copy(io.Discard, part)
			if err != nil {
				http.Error(answer, err.Error(), http.StatusBadRequest)
				return
			}
			fmt.Fprintf(os.Stdout, "%s|%s|%s|%d\n", part.FormName(), part.FileName(), part.Header.Get("Content-Type"), size)
		}
	}
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[1], http.HandlerFunc(handler)))
}
