import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { localRpc, moveChainTo } from '@freehold/appliance/dev/local-chain'
import { MovableClock } from '@freehold/appliance/clock/clock'
import type { ConfigInput } from '@freehold/appliance/config/schema'
import { createHostClient } from '@freehold/appliance/host/client'
import { startDaemon } from '@freehold/appliance/main'

// freeholdd of an installed host, as its own user and without anything of a development build. On its standard input stands
// what a test does from outside: funds for an address, and time that passes on chain and for the daemon's clock alike.
const text = { type: 'string', default: '' } as const
const { values } = parseArgs({ options: { state: text, rpc: text, wizard: text, hostd: text } })
const clock = new MovableClock()
const daemon = await startDaemon({
  stateFolder: values.state,
  clock,
  ...(values.wizard !== '' && { wizard: JSON.parse(values.wizard) as Partial<ConfigInput> }),
  ...(values.hostd !== '' && { host: createHostClient(values.hostd) }),
})

async function obey([verb, argument = '']: string[]): Promise<void> {
  if (verb === 'fund') await localRpc(values.rpc, 'anvil_setBalance', [argument, `0x${(10n ** 20n).toString(16)}`])
  if (verb !== 'advance') return
  const target = clock.now() + Number(argument)
  clock.advance(Number(argument))
  await moveChainTo(values.rpc, target)
}
createInterface(process.stdin).on('line', (line) => {
  void obey(line.split(' ')).then(
    () => console.log(`done ${line}`),
    (error: unknown) => console.log(`failed ${line}: ${String(error)}`),
  )
})
process.once('SIGTERM', () => void daemon.stop().then(() => process.exit(0)))
console.log('the daemon is up')
