// The job of Yaml/http_post as Go people write it: 64 goroutines read a channel, and each posts what it gets by one
// http.Client.
//
//	http_post URL MESSAGES [RATE BURST]      prints: name messages seconds cpu_ns_per_message peak_rss_kib
//
// With a rate, in calls a second, each call first waits for a token, as golang.org/x/time/rate lets it wait.
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

// A bucket that is told how far it has been emptied: whoever comes waits until his token has grown.
type limiter struct {
	mutex sync.Mutex
	next  time.Time // When the next token is there, if the bucket were never full.
	each  time.Duration
	burst int
}

func (l *limiter) wait() {
	l.mutex.Lock()
	now := time.Now()
	if full := now.Add(-time.Duration(l.burst-1) * l.each); l.next.Before(full) {
		l.next = full
	}
	mine := l.next
	l.next = mine.Add(l.each)
	l.mutex.Unlock()
	if mine.After(now) {
		time.Sleep(mine.Sub(now))
	}
}

func main() {
	url := os.Args[1]
	messages, _ := strconv.Atoi(os.Args[2])
	var limit *limiter
	if len(os.Args) > 4 {
		rate, _ := strconv.Atoi(os.Args[3])
		burst, _ := strconv.Atoi(os.Args[4])
		limit = &limiter{each: time.Second / time.Duration(rate), burst: burst}
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: workers}}
	queue := make(chan int, 128)
	began := time.Now()
	var group sync.WaitGroup
	for i := 0; i < workers; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for n := range queue {
				if limit != nil {
					limit.wait()
				}
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
