import { systemClock } from '../clock/clock.ts'
import { runWasmd } from './run-wasmd.ts'

await runWasmd(process.argv.slice(2), systemClock)
