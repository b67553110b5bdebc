// Package hello is a function: Fezz builds a server around its Handler.
package hello

import (
	"fmt"
	"net/http"
)

// Handler answers every request of the function.
func Handler(w http.ResponseWriter, r *http.Request) {
	name := r.Header.Get("X-Name")
	if name == "" {
		name = "Go"
	}
	fmt.Fprintf(w, "Hello, %s!", name)
}
