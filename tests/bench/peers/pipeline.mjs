// Node's streams: numbers are made, passed on and dropped by `pipeline()`, which is what `generate -> pass -> drop` does.
//
//   node pipeline.mjs MESSAGES      prints: name messages seconds cpu_ns_per_message peak_rss_kib
import {readFileSync} from 'node:fs';
import {Readable, Transform, Writable} from 'node:stream';
import {pipeline} from 'node:stream/promises';

const count = Number(process.argv[2]);
let dropped = 0;

function* numbers() {
  for (let i = 1; i <= count; ++i) yield String(i);
}

const began = process.hrtime.bigint(), cpu = process.cpuUsage();
await pipeline(
    Readable.from(numbers(), {highWaterMark: 1024}),
    new Transform({objectMode: true, highWaterMark: 1024, transform: (message, _, done) => done(null, message)}),
    new Writable({
      objectMode: true,
      highWaterMark: 1024,
      write: (_, __, done) => {
        ++dropped;
        done();
      },
    }));
const seconds = Number(process.hrtime.bigint() - began) / 1e9, used = process.cpuUsage(cpu);
if (dropped !== count) throw new Error(`${dropped} of ${count} came`);
const peak = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1];
console.log('node_pipeline', count, seconds, (used.user + used.system) * 1000 / count, peak);
