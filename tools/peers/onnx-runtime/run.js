// run.js PEER FOLDER THREADS — ONNX Runtime on FOLDER/model.onnx and FOLDER/ids.json, for embed beside this: texts a second by batch size.
const path = require("path"), fs = require("fs"), [peer, folder, threads] = process.argv.slice(2);
const ort = require(path.join(peer, "node_modules", "onnxruntime-node"));

async function main() {
  const ids = JSON.parse(fs.readFileSync(path.join(folder, "ids.json")));
  const session = await ort.InferenceSession.create(path.join(folder, "model.onnx"), {intraOpNumThreads: Number(threads), graphOptimizationLevel: "all"});
  const order = ids.map((_, i) => i).sort((a, b) => ids[a].length - ids[b].length), vectors = new Array(ids.length);
  const feedsOf = size => {
    const all = [];
    for (let first = 0; first < order.length; first += size) {
      const some = order.slice(first, first + size), n = Math.max(...some.map(i => ids[i].length)), b = some.length;
      const tokens = new BigInt64Array(b * n), places = new BigInt64Array(b * n), mask = new Int32Array(b * n), shares = new Float32Array(b * n);
      some.forEach((text, row) => {
        for (let k = 0; k < n; ++k) places[row * n + k] = BigInt(k);
        ids[text].forEach((id, k) => { tokens[row * n + k] = BigInt(id), mask[row * n + k] = 1, shares[row * n + k] = 1 / ids[text].length; });
      });
      const tensor = (type, data) => new ort.Tensor(type, data, [b, n]);
      all.push([some, {ids: tensor("int64", tokens), places: tensor("int64", places), mask: tensor("int32", mask), shares: tensor("float32", shares)}]);
    }
    return all;
  };
  const speeds = {};
  for (const size of [1, 4, 8, 16]) {
    const feeds = feedsOf(size);
    const took = [];
    for (let round = 0; round < 4; ++round) {
      const began = process.hrtime.bigint();
      for (const [some, feed] of feeds) {
        const {vectors: out} = await session.run(feed), width = out.dims[1];
        some.forEach((text, row) => { vectors[text] = Array.from(out.data.subarray(row * width, (row + 1) * width)); });
      }
      if (round > 0) took.push(Number(process.hrtime.bigint() - began) / 1e9);  // the first makes it ready
    }
    speeds[size] = Math.round(10 * ids.length / took.sort((a, b) => a - b)[1]) / 10;
  }
  console.log(JSON.stringify({texts_per_second: speeds, vectors}));
}

main().catch(error => { console.error(String(error)); process.exit(1); });
