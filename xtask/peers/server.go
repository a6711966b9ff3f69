// A server of net/http that keeps uploads: server.go FOLDER PORT TLS_PORT CERT_FILE KEY_FILE
package main

import (
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
)

func main() {
	files := filepath.Join(os.Args[1], "files")
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := filepath.Join(files, filepath.Base(r.URL.Path))
		if r.Method != http.MethodPut {
			http.ServeFile(w, r, path)
			return
		}
		file, err := os.Create(path)
		if err == nil {
			_, err = io.Copy(file, r.Body)
			file.Close()
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusCreated)
	})
	go func() { log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Args[2], handler)) }()
	log.Fatal(http.ListenAndServeTLS("127.0.0.1:"+os.Args[3], os.Args[4], os.Args[5], handler))
}
