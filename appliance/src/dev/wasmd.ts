import { readFileSync } from 'node:fs'
import { MovableClock } from '../clock/clock.ts'
import { runWasmd } from '../wasm/run-wasmd.ts'

// freehold-wasmd of embedded mode: its clock follows the one that `freehold dev advance` moves. First argument: that file.
const [file = '', ...argv] = process.argv.slice(2)
const clock = new MovableClock()
const follow = (): void => {
  let wanted = 0
  try {
    wanted = Number(readFileSync(file, 'utf8')) || 0
  } catch {
    // never moved
  }
  clock.advance(Math.max(0, wanted - clock.offsetSeconds))
}
follow()
setInterval(follow, 250).unref()
await runWasmd(argv, clock)
