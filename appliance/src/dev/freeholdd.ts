import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { rename, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { deployBrokerRegistry } from '@freehold/contracts/broker-registry'
import { deployDevToken, devTokenInterface } from '@freehold/contracts/dev-token'
import { z } from 'zod'
import { MovableClock } from '../clock/clock.ts'
import type { ConfigInput } from '../config/schema.ts'
import { AppError } from '../errors/app-error.ts'
import { faultOf } from '../hypervisor/fake/sentinels.ts'
import { runDaemon } from '../run-daemon.ts'
import { buildTemplate } from './builds.ts'
import { devWallet } from './dev-wallet.ts'
import { FakeGuests } from './fake-guest.ts'
import { chainTime, localChainId, localRpc, moveChainTo } from './local-chain.ts'

/** freeholdd as embedded mode runs it: a clock that can be moved, funds and a token on the local chain, guests of the fake hypervisor. */
const { values } = parseArgs({ options: { state: { type: 'string' }, wizard: { type: 'string' } } })
if (values.state === undefined) throw new AppError({ code: 'bad-input', detail: 'The state folder is missing: --state FOLDER.' })
const stateFolder = resolve(values.state)
const offsetFile = join(stateFolder, 'clock-offset')

function readOffset(): number {
  try {
    return Number(readFileSync(offsetFile, 'utf8')) || 0
  } catch {
    return 0
  }
}

const clock = new MovableClock(readOffset())
const advanceBody = z.strictObject({
  seconds: z
    .number()
    .int()
    .min(1)
    .max(10 * 365 * 86_400),
})

async function advance(rpcUrl: string, seconds: number): Promise<{ now: number; blockTimestamp: number }> {
  const target = clock.now() + seconds
  // the offset is on disk before the chain moves: after a crash in between the next start moves the chain
  await writeFile(`${offsetFile}.new`, String(clock.offsetSeconds + seconds))
  await rename(`${offsetFile}.new`, offsetFile)
  clock.advance(seconds)
  await moveChainTo(rpcUrl, target)
  return { now: clock.now(), blockTimestamp: await chainTime(rpcUrl) }
}

/** The fake hypervisor boots nothing: any file is an image to it. For `sentinel-flaky` the first build ends half-way. */
async function fakeTemplate(storages: readonly string[]): Promise<{ path: string; sha256: string }> {
  const path = join(stateFolder, 'fake-template')
  const content = 'the image of the fake hypervisor'
  const begun = `${path}.half`
  if (storages.some((storage) => faultOf(storage) === 'flaky') && !existsSync(begun)) {
    const half = content.slice(0, content.length / 2)
    await writeFile(begun, half)
    const detail = `The build of the guest image ended half-way, at ${half.length} of ${content.length} bytes.`
    throw new AppError({ code: 'process-failed', detail })
  }
  await writeFile(path, content)
  return { path, sha256: createHash('sha256').update(content).digest('hex') }
}

await runDaemon({
  stateFolder,
  clock,
  ...(values.wizard !== undefined && { wizard: JSON.parse(values.wizard) as Partial<ConfigInput> }),
  async buildTemplate(io, answers) {
    if (answers.hypervisor.kind === 'fake') return await fakeTemplate(answers.hypervisor.storages)
    return await buildTemplate((line) => io.progress(line.slice(0, 100)), io.signal)
  },
  development: {
    chainId: localChainId,
    fund: async (rpcUrl, address) => {
      await localRpc(rpcUrl, 'anvil_setBalance', [address, `0x${(10n ** 20n).toString(16)}`])
    },
    async devToken(rpcUrl, deployer) {
      const token = await deployDevToken(deployer)
      await deployBrokerRegistry(deployer)
      for (let i = 3; i < 10; i++) {
        const data = devTokenInterface.encodeFunctionData('mint', [devWallet(i).address, 10n ** 12n])
        const sent = await deployer.sendTransaction({ to: token, data })
        await sent.wait()
      }
      await localRpc(rpcUrl, 'evm_mine')
      return token as `0x${string}`
    },
    advance: { body: advanceBody, run: (rpcUrl, { seconds }) => advance(rpcUrl, seconds) },
    fakeGuests: (loginEndpoint) => new FakeGuests(loginEndpoint),
  },
})
