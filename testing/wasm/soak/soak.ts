// npm run soak:wasm [-- --minutes N]: WASM hosting under mixed calls for 45 minutes; 0 wrong answers, and memory that does not grow.
import { parseArgs } from 'node:util'
import { mib, runSoak } from './run-soak.ts'

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '45' } } })
const seconds = Number(values.minutes) * 60
if (!(seconds >= 10)) throw new Error('--minutes is a number of at least 0.2')
const say = (line: string): unknown => process.stdout.write(`${line}\n`)
// a fifteenth of it, and on a slow machine as long as ten calls a second take: what V8 compiles and how large it lets its heap be is
// settled by calls, not by minutes, and is the same whoever calls
const warmUpSeconds = Math.max(30, seconds / 15)
const warmUpCalls = seconds * 10
const { calls, wrong, firstHalf, secondHalf } = await runSoak({ seconds, warmUpSeconds, warmUpCalls, callers: 6, report: say })
const ratio = secondHalf / firstHalf
for (const one of wrong.slice(0, 20)) say(one)
say(
  `${calls} calls, ${wrong.length} wrong; ${mib(firstHalf)} MiB in the first half, ${mib(secondHalf)} MiB in the second: ${ratio.toFixed(3)} ×`,
)
process.exitCode = wrong.length === 0 && ratio <= 1.05 ? 0 : 1
