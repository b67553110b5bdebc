// A server that does what the tests of containers ask it to: well-behaved, or not at all.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	unhealthy atomic.Bool
	// Kept, so that what was asked for stays in use.
	eaten [][]byte
	files []*os.File
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == "idle" {
		time.Sleep(time.Hour)
		return
	}
	time.Sleep(time.Duration(number(os.Getenv("START_DELAY_MS"), 0)) * time.Millisecond)
	server := &http.Server{Handler: routes()}
	ended := make(chan error)
	for _, listener := range listeners() {
		go func() { ended <- server.Serve(listener) }()
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	select {
	case err := <-ended:
		log.Fatal(err)
	case received := <-signals:
		fmt.Println("stopping on", received)
		deadline, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(deadline)
		fmt.Println("stopped")
	}
}

// The port of PORT (80 when it is not set), and the unix socket of FEZZ_SOCKET when it is set.
func listeners() []net.Listener {
	port := os.Getenv("PORT")
	if port == "" {
		port = "80"
	}
	found := []net.Listener{listen("tcp", ":"+port)}
	if socket := os.Getenv("FEZZ_SOCKET"); socket != "" {
		_ = os.Remove(socket)
		found = append(found, listen("unix", socket))
	}
	return found
}

func listen(network, address string) net.Listener {
	listener, err := net.Listen(network, address)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", address)
	return listener
}

func routes() http.Handler {
	routes := http.NewServeMux()
	routes.HandleFunc("/", hello)
	routes.HandleFunc("/echo", echo)
	routes.HandleFunc("/health", health)
	routes.HandleFunc("/unhealthy", toggleHealth)
	routes.HandleFunc("/sleep", sleep)
	routes.HandleFunc("/exit", exit)
	routes.HandleFunc("/abort", abort)
	routes.HandleFunc("/spin", spin)
	routes.HandleFunc("/eat", eat)
	routes.HandleFunc("/fork", fork)
	routes.HandleFunc("/files", openFiles)
	routes.HandleFunc("/log", writeLog)
	routes.HandleFunc("/write", write)
	routes.HandleFunc("/read", read)
	routes.HandleFunc("/dial", dial)
	routes.HandleFunc("/stream", stream)
	return routes
}

// What it was given: `{message, hostname, pid, uid, method, path, env}`.
func hello(w http.ResponseWriter, r *http.Request) {
	hostname, _ := os.Hostname()
	env := map[string]string{}
	for _, one := range os.Environ() {
		name, value, _ := strings.Cut(one, "=")
		env[name] = value
	}
	w.Header().Set("content-type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"message": "hello", "hostname": hostname, "pid": os.Getpid(), "uid": os.Getuid(),
		"method": r.Method, "path": r.URL.RequestURI(), "env": env,
	})
}

// The request's body as it comes, and its headers each as `x-echo-NAME`.
func echo(w http.ResponseWriter, r *http.Request) {
	_ = http.NewResponseController(w).EnableFullDuplex()
	for name, values := range r.Header {
		for _, value := range values {
			w.Header().Add("x-echo-"+name, value)
		}
	}
	w.Header().Set("x-echo-method", r.Method)
	if kind := r.Header.Get("content-type"); kind != "" {
		w.Header().Set("content-type", kind)
	}
	_, _ = io.Copy(flushing{w}, r.Body)
}

type flushing struct{ http.ResponseWriter }

func (f flushing) Write(bytes []byte) (int, error) {
	count, err := f.ResponseWriter.Write(bytes)
	_ = http.NewResponseController(f.ResponseWriter).Flush()
	return count, err
}

func health(w http.ResponseWriter, _ *http.Request) {
	if unhealthy.Load() {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	fmt.Fprintln(w, !unhealthy.Load())
}

func toggleHealth(w http.ResponseWriter, _ *http.Request) {
	unhealthy.Store(!unhealthy.Load())
	fmt.Fprintln(w, !unhealthy.Load())
}

func sleep(w http.ResponseWriter, r *http.Request) {
	select {
	case <-time.After(time.Duration(query(r, "ms", 1000)) * time.Millisecond):
		fmt.Fprintln(w, "slept")
	case <-r.Context().Done():
		fmt.Println("the caller left")
	}
}

func exit(_ http.ResponseWriter, r *http.Request) {
	os.Exit(query(r, "code", 0))
}

func abort(_ http.ResponseWriter, _ *http.Request) {
	_ = syscall.Kill(os.Getpid(), syscall.SIGABRT)
}

func spin(w http.ResponseWriter, r *http.Request) {
	rounds := 0
	for end := time.Now().Add(time.Duration(query(r, "ms", 1000)) * time.Millisecond); time.Now().Before(end); {
		rounds++
	}
	fmt.Fprintln(w, rounds)
}

// Takes memory and touches each page of it, a megabyte at a time.
func eat(w http.ResponseWriter, r *http.Request) {
	for left := query(r, "bytes", 1<<20); left > 0; left -= 1 << 20 {
		part := make([]byte, min(left, 1<<20))
		for i := 0; i < len(part); i += 4096 {
			part[i] = 1
		}
		eaten = append(eaten, part)
	}
	fmt.Fprintln(w, "eaten")
}

// Starts processes that do nothing; tells how many there could be, and why no more.
func fork(w http.ResponseWriter, r *http.Request) {
	for i := range query(r, "n", 1) {
		if err := exec.Command("/proc/self/exe", "idle").Start(); err != nil {
			fmt.Fprintln(w, i, err)
			return
		}
	}
	fmt.Fprintln(w, query(r, "n", 1))
}

func openFiles(w http.ResponseWriter, r *http.Request) {
	for i := range query(r, "n", 1) {
		file, err := os.Open("/proc/self/exe")
		if err != nil {
			fmt.Fprintln(w, i, err)
			return
		}
		files = append(files, file)
	}
	fmt.Fprintln(w, query(r, "n", 1))
}

// Lines of 100 characters on standard output, or with `to=stderr` there.
func writeLog(w http.ResponseWriter, r *http.Request) {
	to := os.Stdout
	if r.URL.Query().Get("to") == "stderr" {
		to = os.Stderr
	}
	out := bufio.NewWriter(to)
	for i := range query(r, "lines", 1) {
		fmt.Fprintf(out, "%-99d\n", i)
	}
	_ = out.Flush()
	fmt.Fprintln(w, "logged")
}

func write(w http.ResponseWriter, r *http.Request) {
	tell(w, os.WriteFile(r.URL.Query().Get("path"), []byte("written"), 0o644), "written")
}

func read(w http.ResponseWriter, r *http.Request) {
	text, err := os.ReadFile(r.URL.Query().Get("path"))
	tell(w, err, string(text))
}

func dial(w http.ResponseWriter, r *http.Request) {
	connection, err := net.DialTimeout("tcp", r.URL.Query().Get("address"), 2*time.Second)
	if err == nil {
		_ = connection.Close()
	}
	tell(w, err, "connected\n")
}

// A chunk each `ms`, `n` times; with n=-1 without an end.
func stream(w http.ResponseWriter, r *http.Request) {
	for i, n := 0, query(r, "n", 3); i != n && r.Context().Err() == nil; i++ {
		fmt.Fprintln(flushing{w}, i)
		time.Sleep(time.Duration(query(r, "ms", 10)) * time.Millisecond)
	}
}

// What was done, or with status 500 why it could not be.
func tell(w http.ResponseWriter, err error, done string) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	fmt.Fprint(w, done)
}

func query(r *http.Request, name string, otherwise int) int {
	return number(r.URL.Query().Get(name), otherwise)
}

func number(text string, otherwise int) int {
	if value, err := strconv.Atoi(text); err == nil {
		return value
	}
	return otherwise
}
