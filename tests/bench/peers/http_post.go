// The job of Yaml/http_post as Go people write it: 64 goroutines read a channel, and each posts what it gets by one
// http.Client.
//
//	http_post URL MESSAGES      prints: name messages seconds cpu_ns_per_message peak_rss_kib
package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const workers = 64

func main() {
	url := os.Args[1]
	messages, _ := strconv.Atoi(os.Args[2])
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: workers}}
	queue := make(chan int, 128)
	began := time.Now()
	var group sync.WaitGroup
	for i := 0; i < workers; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for n := range queue {
				body := fmt.Sprintf(`{"id":%d,"name":"somebody"}`, n)
				response, err := client.Post(url, "application/json", bytes.NewReader([]byte(body)))
				if err != nil || response.StatusCode != 200 {
					fmt.Fprintln(os.Stderr, "it was not answered with 200:", err)
					os.Exit(1)
				}
				io.Copy(io.Discard, response.Body)
				response.Body.Close()
			}
		}()
	}
	for n := 1; n <= messages; n++ {
		queue <- n
	}
	close(queue)
	group.Wait()
	seconds := time.Since(began).Seconds()
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	cpu := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
	peak := "0"
	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(status), "\n") {
		if strings.HasPrefix(line, "VmHWM:") {
			peak = strings.Fields(line)[1]
		}
	}
	fmt.Println("go_post", messages, seconds, float64(cpu.Nanoseconds())/float64(messages), peak)
}
