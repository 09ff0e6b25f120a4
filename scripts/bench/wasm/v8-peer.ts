// V8 as a peer: calls a second of a tiny module, in a fresh worker for each call and in two warm ones with a fresh instance for each.
// Prints JSON. Argument: the module's file.
import { readFileSync } from 'node:fs'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

/** What is used of it here; its types belong to the browser's, which nothing on this side sees. */
const { Module, Instance } = (
  globalThis as unknown as {
    WebAssembly: {
      Module: new (bytes: Uint8Array) => object
      Instance: new (module: object) => { exports: { main(a: number, b: number): number } }
    }
  }
).WebAssembly

if (isMainThread) {
  const module = new Module(readFileSync(process.argv[2] ?? ''))
  const fresh = 60
  const began = performance.now()
  // two at a time, as many as there are processors
  await Promise.all([0, 1].map(async () => await freshCalls(module, fresh / 2)))
  const freshPerSecond = fresh / ((performance.now() - began) / 1000)
  const warm = await Promise.all([0, 1].map(async () => await warmCalls(module, 20_000)))
  process.stdout.write(JSON.stringify({ freshPerSecond, warmPerSecond: warm.reduce((sum, one) => sum + one, 0) }))
} else {
  const module = workerData as object
  parentPort?.on('message', (n: number) => {
    const { main } = new Instance(module).exports
    parentPort?.postMessage(main(n, 2))
  })
}

function answer(worker: Worker, n: number): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  worker.once('message', (got: number) => (got === n + 2 ? resolve() : reject(new Error(`wrong: ${got}`))))
  worker.postMessage(n)
  return promise
}

async function freshCalls(module: object, count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    const worker = new Worker(new URL(import.meta.url), { workerData: module })
    await answer(worker, n)
    await worker.terminate()
  }
}

async function warmCalls(module: object, count: number): Promise<number> {
  const worker = new Worker(new URL(import.meta.url), { workerData: module })
  await answer(worker, 0)
  const began = performance.now()
  for (let n = 0; n < count; n += 1) await answer(worker, n)
  await worker.terminate()
  return count / ((performance.now() - began) / 1000)
}
