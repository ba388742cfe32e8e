#!/usr/bin/env node
// tools/peers/llama-cpp/bench.mjs — times llama.cpp on one GGUF: the rows pp and tg of `quern bench --model`, one JSON line a repeat.
//
// What is timed is llama_decode (and its synchronize) alone: the binding's own context is called below its queue, prompt cache and
// sampler, which would otherwise be timed too. Its names may change: package.json pins the version.
import {readFileSync} from "node:fs";
import {parseArgs} from "node:util";

const kBatch = 512;  // tokens, llama.cpp's default
const kHelp = `node bench.mjs MODEL.gguf [--threads N] [--prefill N] [--decode N] [--depth N] [--repeat N] [--kv f32|f16] [--flash auto|on|off]
one line of JSON a repeat: {"pp": tokens/s, "tg": tokens/s, ...}
  --threads N   of llama.cpp (default 1)
  --prefill N   prompt tokens of pp, in batches of 512, logits of the last (default 256); 0: not timed
  --decode N    tokens of tg, one at a time, logits of each (default 64); 0: not timed
  --depth N     positions in the cache before either (default 0)
  --repeat N    lines (default 3), after one run that is not timed
  --kv TYPE     what the KV cache keeps (default f16, llama.cpp's own)
  --flash MODE  flash attention (default auto, llama.cpp's own)
`;

function fail(status, message) {
    process.stderr.write(`bench.mjs: ${message}\n`);
    process.exit(status);
}

function readCommand() {
    const text = (fallback) => ({type: "string", default: fallback});
    let parsed;
    try {
        parsed = parseArgs({allowPositionals: true, options: {threads: text("1"), prefill: text("256"), decode: text("64"), depth: text("0"),
            repeat: text("3"), kv: text("f16"), flash: text("auto"), help: {type: "boolean", short: "h"}}});
    } catch (error) {
        fail(2, error.message);
    }
    const {values, positionals} = parsed;
    if (values.help) {
        process.stdout.write(kHelp);
        process.exit(0);
    }
    const number = (name, low) => {
        if (!/^\d{1,8}$/.test(values[name]) || Number(values[name]) < low) fail(2, `--${name} ${values[name]} is not a whole number from ${low}`);
        return Number(values[name]);
    };
    if (positionals.length !== 1) fail(2, "one MODEL.gguf is needed; --help explains");
    if (!["f32", "f16"].includes(values.kv)) fail(2, `--kv ${values.kv} is not f32 or f16`);
    if (!["auto", "on", "off"].includes(values.flash)) fail(2, `--flash ${values.flash} is not auto, on or off`);
    return {model: positionals[0], threads: number("threads", 1), prefill: number("prefill", 0), decode: number("decode", 0), depth: number("depth", 0),
        repeat: number("repeat", 1), kv: values.kv.toUpperCase(), flash: values.flash === "auto" ? "auto" : values.flash === "on"};
}

/** One context with one sequence; positions are counted here, nothing is kept between runs. */
class Timer {
    constructor(context, vocab) {
        this.raw = context._ctx;
        this.vocab = vocab;
    }

    /** As `quern bench` picks them: any tokens do, the time does not depend on them. */
    ids(from, count) {
        return Uint32Array.from({length: count}, (_, i) => (from + i) * 7919 % this.vocab);
    }

    /** Evaluates `count` tokens at `position`, in batches; seconds of the evaluation. Logits of the last one. */
    async evaluate(position, count) {
        let seconds = 0;
        for (let at = 0; at < count; at += kBatch) {
            const part = Math.min(kBatch, count - at), last = at + part === count;
            this.raw.initBatch(part);
            this.raw.addToBatch(0, position + at, this.ids(position + at, part), last ? Uint32Array.of(part - 1) : new Uint32Array());
            const begin = process.hrtime.bigint();
            await this.raw.decodeBatch();
            seconds += Number(process.hrtime.bigint() - begin) / 1e9;
        }
        return seconds;
    }

    /** An empty cache, then `depth` positions in it. */
    async start(depth) {
        this.raw.disposeSequence(0);
        if (depth > 0) await this.evaluate(0, depth);
    }

    async prefill(depth, count) {
        await this.start(depth);
        return count / await this.evaluate(depth, count);
    }

    async decode(depth, count) {
        await this.start(depth);
        let seconds = 0;
        for (let i = 0; i < count; ++i) seconds += await this.evaluate(depth + i, 1);
        return count / seconds;
    }
}

/** Which of llama.cpp's builds for this CPU was loaded: "zen4". */
function backend() {
    try {
        return /libggml-cpu-([\w.-]+)\.so/.exec(readFileSync("/proc/self/maps", "utf8"))?.[1] ?? "";
    } catch {
        return "";
    }
}

const command = readCommand();
const binding = await import("node-llama-cpp").catch(() => fail(4, "node-llama-cpp is not there: tools/peers/install llama-cpp"));
const llama = await binding.getLlama({gpu: false, build: "never", skipDownload: true, progressLogs: false, logLevel: "error", maxThreads: command.threads})
    .catch((error) => fail(4, `llama.cpp cannot be loaded: ${error.message}`));
const model = await llama.loadModel({modelPath: command.model, gpuLayers: 0}).catch((error) => fail(3, `${command.model}: ${error.message}`));

// Cut to the context as `quern bench` does.
const depth = Math.min(command.depth, model.trainContextSize - 1);
const prefill = Math.min(command.prefill, model.trainContextSize - depth);
const decode = Math.min(command.decode, model.trainContextSize - depth);
const contextSize = depth + Math.max(prefill, decode, 1);
const context = await model.createContext({contextSize, batchSize: kBatch, sequences: 1, threads: command.threads,
    flashAttention: command.flash, experimentalKvCacheKeyType: command.kv, experimentalKvCacheValueType: command.kv})
    .catch((error) => fail(3, `${command.model}: ${error.message}`));
const timer = new Timer(context, model.fileInfo.metadata.tokenizer.ggml.tokens.length);

const about = {prefill, decode, depth, threads: context._ctx.getThreads(), kv: command.kv.toLowerCase(), llama_cpp: llama.llamaCppRelease.release, backend: backend()};
for (let i = -1; i < command.repeat; ++i) {
    const row = {};
    if (prefill > 0) row.pp = await timer.prefill(depth, prefill);
    if (decode > 0) row.tg = await timer.decode(depth, decode);
    if (i >= 0) process.stdout.write(JSON.stringify({...row, ...about}) + "\n");
}
await llama.dispose();
