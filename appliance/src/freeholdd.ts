import { parseArgs } from 'node:util'
import { systemClock } from './clock/clock.ts'
import { startDaemon } from './main.ts'

const { values } = parseArgs({ options: { state: { type: 'string', default: '/var/lib/freehold' } } })
const daemon = await startDaemon({ stateFolder: values.state, clock: systemClock })
const stop = () => void daemon.stop().then(() => process.exit(0))
process.on('SIGTERM', stop)
process.on('SIGINT', stop)
