import { flushCompileCache } from 'node:module'
import { parseArgs } from 'node:util'
import { systemClock } from './clock/clock.ts'
import { startDaemon } from './main.ts'
import { shippedTemplate } from './setup/shipped-template.ts'

const { values } = parseArgs({ options: { state: { type: 'string', default: '/var/lib/freehold' } } })
const start = () =>
  startDaemon({
    // a backup was restored: what it brought is opened as at any other start
    beginAnew: () =>
      void daemon
        .stop()
        .then(start)
        .then((next) => (daemon = next))
        .catch(() => process.exit(1)),
    stateFolder: values.state,
    clock: systemClock,
    buildTemplate: () => shippedTemplate(),
    // what units and Caddy of an installed host expect; everything else is asked
    wizard: {
      mode: 'installed',
      listen: { api: '/run/freehold/api.sock', web: '127.0.0.1:8462', login: '10.77.0.1:7443' },
    },
  })
let daemon = await start()
const stop = () => void daemon.stop().then(() => process.exit(0))
process.on('SIGTERM', stop)
process.on('SIGINT', stop)
// now, not at the end: a daemon that is killed leaves it to the next one too (NODE_COMPILE_CACHE of its unit)
flushCompileCache()
