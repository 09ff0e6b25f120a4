// `npm run pve:replay`: plays the recordings against the stand-in and says how many came out alike. `-v` shows the others.
import { replay } from './replay.ts'

const outcomes = await replay()
const matched = outcomes.filter((o) => o.kind === 'matched').length
const out = outcomes.filter((o) => o.kind === 'left out')
const differs = outcomes.filter((o) => o.kind === 'differs')
if (process.argv.includes('-v')) {
  for (const o of differs) process.stdout.write(`#${o.index} ${o.name}\n  recorded ${o.recorded}\n  played   ${o.played}\n`)
}
const reasons = new Map<string, number>()
for (const o of out) reasons.set(o.because, (reasons.get(o.because) ?? 0) + 1)
for (const [because, count] of reasons) process.stdout.write(`left out ${String(count).padStart(3)}  ${because}\n`)
const share = (100 * matched) / (matched + differs.length)
process.stdout.write(
  `${matched} matched, ${out.length} left out, ${differs.length} differ, of ${outcomes.length}: ${share.toFixed(1)} % of those played\n`,
)
process.exitCode = share >= 95 ? 0 : 1
