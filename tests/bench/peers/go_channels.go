// Three goroutines and two channels: generate, upper-case and sum, drop. The same job as the engine's rows, each message
// 64 bytes on the heap.
//
//	go_channels KIND MESSAGES      prints: name messages seconds cpu_ns_per_message peak_rss_kib
//	                               latency: also the microseconds of a hop, p50 p99 p99.9, and the share of a core
//
// KIND: one            a message at a time, as most programs do
//
//	slices         slices of 64, as Go programs that care move many small messages
//	slices_pooled  the same, and slices are taken from a sync.Pool and put back, their messages with them
//	latency        ten messages a millisecond, one at a time
//	slices_two, latency_two      GOMAXPROCS=2; all others have one processor, as the engine's rows run on one core
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	batch        = 64
	payloadBytes = 64
	boundOfOne   = 1024
	boundOfMany  = boundOfOne / batch
	burst        = 10
)

func fill(payload []byte, i uint64) {
	_ = payload[payloadBytes-1]
	x := i * 0x9e3779b97f4a7c15
	for k := 0; k < payloadBytes/8; k++ {
		binary.LittleEndian.PutUint64(payload[8*k:], 0x6161616161616161+((x>>k)&0x0f0f0f0f0f0f0f0f))
	}
}

func message(i uint64) []byte {
	payload := make([]byte, payloadBytes)
	fill(payload, i)
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
			toWork <- message(i)
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

func many(messages uint64) (all, firsts uint64) {
	toWork, toEnd, ended := make(chan [][]byte, boundOfMany), make(chan [][]byte, boundOfMany), make(chan uint64)
	go func() {
		for i := uint64(0); i < messages; {
			many := make([][]byte, 0, batch)
			for ; len(many) < batch && i < messages; i++ {
				many = append(many, message(i))
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

func pooled(messages uint64) (all, firsts uint64) {
	pool := sync.Pool{New: func() any {
		many := make([][]byte, batch)
		for i := range many {
			many[i] = make([]byte, payloadBytes)
		}
		return &many
	}}
	toWork, toEnd, ended := make(chan *[][]byte, boundOfMany), make(chan *[][]byte, boundOfMany), make(chan uint64)
	go func() {
		for i := uint64(0); i < messages; {
			many := pool.Get().(*[][]byte)
			*many = (*many)[:min(batch, messages-i)]
			for _, payload := range *many {
				fill(payload, i)
				i++
			}
			toWork <- many
		}
		close(toWork)
	}()
	go func() {
		var sum uint64
		for many := range toWork {
			for _, payload := range *many {
				sum += upper(payload)
			}
			toEnd <- many
		}
		close(toEnd)
		ended <- sum
	}()
	for many := range toEnd {
		for _, payload := range *many {
			firsts += binary.LittleEndian.Uint64(payload)
		}
		*many = (*many)[:batch]
		pool.Put(many)
	}
	return <-ended, firsts
}

type timed struct {
	payload []byte
	sent    time.Time
}

// A hop is from just before a message is sent to when the next goroutine has it.
func latency(messages uint64) (all, firsts uint64, hops []time.Duration) {
	toWork, toEnd, ended := make(chan timed, boundOfOne), make(chan timed, boundOfOne), make(chan uint64)
	before := make([]time.Duration, 0, messages)
	hops = make([]time.Duration, 0, 2*messages)
	go func() {
		due := time.Now()
		for i := uint64(0); i < messages; i++ {
			if i%burst == 0 {
				time.Sleep(time.Until(due))
				due = due.Add(time.Millisecond)
			}
			toWork <- timed{message(i), time.Now()}
		}
		close(toWork)
	}()
	go func() {
		var sum uint64
		for one := range toWork {
			before = append(before, time.Since(one.sent))
			sum += upper(one.payload)
			toEnd <- timed{one.payload, time.Now()}
		}
		close(toEnd)
		ended <- sum
	}()
	for one := range toEnd {
		hops = append(hops, time.Since(one.sent))
		firsts += binary.LittleEndian.Uint64(one.payload)
	}
	all = <-ended
	hops = append(hops, before...)
	slices.Sort(hops)
	return all, firsts, hops
}

func cpu() time.Duration {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func peakRSSKiB() string {
	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(status), "\n") {
		if strings.HasPrefix(line, "VmHWM:") {
			return strings.Fields(line)[1]
		}
	}
	return "0"
}

func main() {
	name, two := strings.CutSuffix(os.Args[1], "_two")
	runtime.GOMAXPROCS(1)
	if two {
		runtime.GOMAXPROCS(2)
	}
	messages, _ := strconv.ParseUint(os.Args[2], 10, 64)
	var all, firsts uint64
	var hops []time.Duration
	began, before := time.Now(), cpu()
	switch name {
	case "one":
		all, firsts = one(messages)
	case "slices":
		all, firsts = many(messages)
	case "slices_pooled":
		all, firsts = pooled(messages)
	case "latency":
		all, firsts, hops = latency(messages)
	default:
		fmt.Fprintln(os.Stderr, "no kind", name)
		os.Exit(2)
	}
	seconds, spent := time.Since(began).Seconds(), cpu()-before
	fmt.Fprintf(os.Stderr, "sums %x %x\n", all, firsts)
	fmt.Print("go_"+os.Args[1], " ", messages, " ", seconds, " ", float64(spent.Nanoseconds())/float64(messages), " ", peakRSSKiB())
	if hops != nil {
		for _, ofThousand := range []int{500, 990, 999} {
			fmt.Printf(" %.2f", float64(hops[(len(hops)-1)*ofThousand/1000].Nanoseconds())/1e3)
		}
		fmt.Printf(" %.4f", spent.Seconds()/seconds)
	}
	fmt.Println()
}
