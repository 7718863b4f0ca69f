// A file of JSON lines, line by line: those with a status below 500 get two fields and lose two. What json_lines.py calls
// `edit`, as Node does it: the file is read in pieces, lines are cut from them, what is written is gathered.
//
//   node json_lines.mjs INPUT OUTPUT      prints: name messages seconds cpu_ns_per_message peak_rss_kib
import { closeSync, openSync, readFileSync, readSync, writeSync } from "node:fs";
import { StringDecoder } from "node:string_decoder";

const [input, output] = process.argv.slice(2);
const began = performance.now(), cpu = process.cpuUsage();
const source = openSync(input, "r"), out = openSync(output, "w");
const piece = Buffer.alloc(1 << 16), decoder = new StringDecoder("utf8");
let messages = 0, rest = "", written = "";

function take(line) {
  messages += 1;
  const event = JSON.parse(line);
  if (event.status >= 500) return;
  event.latency_s = event.latency_ms / 1000;
  event.env = "prod";
  delete event.host;
  delete event.note;
  written += JSON.stringify(event) + "\n";
  if (written.length > 1 << 16) {
    writeSync(out, written);
    written = "";
  }
}

for (let size; (size = readSync(source, piece)) > 0;) {
  const lines = (rest + decoder.write(piece.subarray(0, size))).split("\n");
  rest = lines.pop();
  for (const line of lines) take(line);
}
if (rest) take(rest);
writeSync(out, written);
closeSync(out);

const used = process.cpuUsage(cpu);
const status = readFileSync("/proc/self/status", "utf8");
const each = ((used.user + used.system) * 1000) / messages;
console.log(`node_edit ${messages} ${((performance.now() - began) / 1000).toFixed(4)} ${each.toFixed(1)} ` +
  status.match(/VmHWM:\s+(\d+)/)[1]);
