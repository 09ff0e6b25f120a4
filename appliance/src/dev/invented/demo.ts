import { startInventedStand } from './invented-stand.ts'
import { say } from '../../cli/output.ts'

/** `npm run demo`: the operator's pages and the storefront of a host that never was, read-only, on loopback. Ctrl-C ends it. */
const port = Number(process.argv[2] ?? 8090)
const stand = await startInventedStand({ port, readOnly: true, report: say })
say(`The demo is open: ${stand.origin}/operator`)
say('It is invented, changes nothing, and begins anew at each start. Ctrl-C ends it.')
const { promise: ended, resolve: end } = Promise.withResolvers<void>()
process.once('SIGINT', () => end())
process.once('SIGTERM', () => end())
await ended
await stand.stop()
