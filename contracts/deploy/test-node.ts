import getPort from 'get-port'
import { systemClock } from '@freehold/appliance/clock/clock'
import { JsonRpcProvider } from 'ethers'
import { spawnAnvil } from './anvil.ts'

/** A real node for one test file. */
export interface TestNode {
  provider: JsonRpcProvider
  close(): Promise<void>
}

/** Starts anvil on a free port of loopback. Rejects if it does not answer within 60 s. */
export async function startTestNode(): Promise<TestNode> {
  const port = await getPort({ host: '127.0.0.1' })
  const child = spawnAnvil(['--host', '127.0.0.1', '--port', String(port), '--silent'])
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const provider = new JsonRpcProvider(`http://127.0.0.1:${port}`, 31337, {
    staticNetwork: true,
    cacheTimeout: -1,
    pollingInterval: 50,
  })
  const answers = () => provider.send('eth_chainId', []).then(Boolean, () => false)
  const deadline = systemClock.monotonicMs() + 60_000
  while (!(await answers())) {
    if (systemClock.monotonicMs() > deadline || child.exitCode !== null) throw new Error('anvil does not answer')
    await systemClock.wait(50)
  }
  return {
    provider,
    async close() {
      provider.destroy()
      child.kill('SIGKILL')
      await exited
    },
  }
}
