// Three goroutines and two channels: generate, upper-case and sum, drop. The same job as the engine's rows, each message
// 64 bytes on the heap; one message at a time, or slices of 64 as Go programs that care move many small messages. On
// one processor (GOMAXPROCS=1), as the engine's rows run on one core.
//
//	go_channels one|slices MESSAGES      prints: name messages seconds cpu_ns_per_message peak_rss_kib
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	batch        = 64
	payloadBytes = 64
	boundOfOne   = 1024
	boundOfMany  = boundOfOne / batch
)

func fill(i uint64) []byte {
	payload := make([]byte, payloadBytes)
	x := i * 0x9e3779b97f4a7c15
	for k := 0; k < payloadBytes/8; k++ {
		binary.LittleEndian.PutUint64(payload[8*k:], 0x6161616161616161+((x>>k)&0x0f0f0f0f0f0f0f0f))
	}
	return payload
}

//go:noinline
func upper(payload []byte) uint64 {
	var sum uint64
	for at := 0; at < len(payload); at += 8 {
		word := binary.LittleEndian.Uint64(payload[at:])
		// Eight letters at once: the bit 0x80 of each byte that is a..z, moved to where case is.
		heptets := word & 0x7f7f7f7f7f7f7f7f
		letters := (heptets + 0x1f1f1f1f1f1f1f1f) &^ (heptets + 0x0505050505050505) &^ word & 0x8080808080808080
		word -= letters >> 2
		binary.LittleEndian.PutUint64(payload[at:], word)
		sum += word
	}
	return sum
}

func one(messages uint64) (all, firsts uint64) {
	toWork, toEnd, ended := make(chan []byte, boundOfOne), make(chan []byte, boundOfOne), make(chan uint64)
	go func() {
		for i := uint64(0); i < messages; i++ {
			toWork <- fill(i)
		}
		close(toWork)
	}()
	go func() {
		var sum uint64
		for payload := range toWork {
			sum += upper(payload)
			toEnd <- payload
		}
		close(toEnd)
		ended <- sum
	}()
	for payload := range toEnd {
		firsts += binary.LittleEndian.Uint64(payload)
	}
	return <-ended, firsts
}

func slices(messages uint64) (all, firsts uint64) {
	toWork, toEnd, ended := make(chan [][]byte, boundOfMany), make(chan [][]byte, boundOfMany), make(chan uint64)
	go func() {
		for i := uint64(0); i < messages; {
			many := make([][]byte, 0, batch)
			for ; len(many) < batch && i < messages; i++ {
				many = append(many, fill(i))
			}
			toWork <- many
		}
		close(toWork)
	}()
	go func() {
		var sum uint64
		for many := range toWork {
			for _, payload := range many {
				sum += upper(payload)
			}
			toEnd <- many
		}
		close(toEnd)
		ended <- sum
	}()
	for many := range toEnd {
		for _, payload := range many {
			firsts += binary.LittleEndian.Uint64(payload)
		}
	}
	return <-ended, firsts
}

func cpu() time.Duration {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func main() {
	runtime.GOMAXPROCS(1)
	messages, _ := strconv.ParseUint(os.Args[2], 10, 64)
	began, before := time.Now(), cpu()
	work := slices
	if os.Args[1] == "one" {
		work = one
	}
	all, firsts := work(messages)
	seconds, spent := time.Since(began).Seconds(), cpu()-before
	fmt.Fprintf(os.Stderr, "sums %x %x\n", all, firsts)
	peak := "0"
	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(status), "\n") {
		if strings.HasPrefix(line, "VmHWM:") {
			peak = strings.Fields(line)[1]
		}
	}
	fmt.Println("go_"+os.Args[1], messages, seconds, float64(spent.Nanoseconds())/float64(messages), peak)
}
