import { parseArgs } from 'node:util'
import { systemClock } from './clock/clock.ts'
import { runDaemon } from './run-daemon.ts'
import { shippedTemplate } from './setup/shipped-template.ts'

const { values } = parseArgs({ options: { state: { type: 'string', default: '/var/lib/freehold' } } })
await runDaemon({
  stateFolder: values.state,
  clock: systemClock,
  buildTemplate: () => shippedTemplate(),
  // what units and Caddy of an installed host expect; everything else is asked
  wizard: {
    mode: 'installed',
    listen: { api: '/run/freehold/api.sock', web: '127.0.0.1:8462', login: '10.77.0.1:7443' },
  },
})
