import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { zeroAddress, type Subscription } from '@freehold/appliance/chain/subscription'
import type { TestChain } from '@freehold/appliance/chain/test-chain'
import { AppError } from '@freehold/appliance/errors/app-error'
import { subscriptionsInterface } from '@freehold/contracts/subscriptions-interface'

/** How many subscriptions "a large host" has in these measurements. */
export const many = 10_000
const perBlock = 500
/** Template of the made-up VMs. */
export const madeUpSha256 = 'ab'.repeat(32)

type Call = { method: string; params: readonly unknown[] }

/** One JSON-RPC batch over plain fetch. Throws AppError `rpc-refused` with the first refusal. */
export async function post(url: string, calls: readonly Call[], timeoutMs = 600_000): Promise<unknown[]> {
  const body = JSON.stringify(calls.map((call, id) => ({ jsonrpc: '2.0', id, ...call })))
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(timeoutMs) })
  const answers = (await response.json()) as { result?: unknown; error?: { message: string } }[]
  return answers.map(({ result, error }) => {
    if (error !== undefined) throw new AppError({ code: 'rpc-refused', detail: error.message })
    return result
  })
}

/** Sends `count` transactions of one account, many a block: a chain's mining slows with its height. */
async function inBlocks(
  chain: TestChain,
  from: string,
  call: (n: number) => object,
  report: (line: string) => void,
): Promise<void> {
  let nonce = await chain.provider.getTransactionCount(from)
  await chain.rpc('evm_setAutomine', false)
  for (let sent = 0; sent < many; sent += perBlock) {
    const transactions = Array.from({ length: perBlock }, (_, i) => ({
      method: 'eth_sendTransaction',
      params: [{ from, to: chain.contract, gas: '0x7a120', nonce: `0x${(nonce + i).toString(16)}`, ...call(sent + i) }],
    }))
    await post(chain.url, transactions)
    await chain.rpc('evm_mine')
    nonce += perBlock
  }
  await chain.rpc('evm_setAutomine', true)
  report(`${many} done`)
}

/** Alice buys 10,000 days of plan 0: token ids 1 to 10,000. */
export async function sellMany(chain: TestChain, report: (line: string) => void): Promise<void> {
  const day = 86_400
  const price = 10n ** 15n
  const data = subscriptionsInterface.encodeFunctionData('buy', [0, zeroAddress, day, price, chain.alice.address])
  report('buying')
  await inBlocks(chain, chain.alice.address, () => ({ data, value: `0x${price.toString(16)}` }), report)
}

/** The provisioner, whose key the node is not asked for, activates all of them. */
export async function activateMany(chain: TestChain, provisioner: string, report: (line: string) => void): Promise<void> {
  await chain.rpc('anvil_impersonateAccount', provisioner)
  await chain.rpc('anvil_setBalance', provisioner, `0x${(10n ** 21n).toString(16)}`)
  report('activating')
  const call = (n: number) => ({ data: subscriptionsInterface.encodeFunctionData('activate', [n + 1]) })
  await inBlocks(chain, provisioner, call, report)
  await chain.rpc('anvil_stopImpersonatingAccount', provisioner)
}

/** Writes a world of the fake hypervisor in which every one of these subscriptions has its running VM. */
export function writeFakeWorld(folder: string, subscriptions: Iterable<Subscription>): string {
  const vms = [...subscriptions].map((s, i) => ({
    key: { installation: s.installation, tokenId: String(s.tokenId), generation: 1 },
    storage: 'local',
    whole: true,
    state: 'running',
    autostart: true,
    startedAt: 0,
    spec: {
      vcpus: 1,
      memoryMiB: 512,
      diskGiB: 4,
      addresses: { ipv4: null, ipv6: null, sshPort: 20_000 + i },
      mac: `02:00:00:00:${hex(i >> 8)}:${hex(i & 255)}`,
      template: madeUpSha256,
      origin: { buyer: s.buyer, boughtBlock: s.boughtBlock },
    },
    seed: { userData: '', metaData: '', networkConfig: '', freeholdJson: '{}' },
    facts: { hostKey: { fingerprint: `SHA256:${s.tokenId}`, publicKey: 'ssh-ed25519 AAAA' }, activating: true },
    disk: '',
    snapshots: [],
  }))
  const templates = [{ sha256: madeUpSha256, sizeBytes: 1, virtualSizeBytes: 1 }]
  const file = join(folder, 'fake-world.json')
  writeFileSync(file, JSON.stringify({ version: 1, vms, templates, foreign: [] }))
  return file
}

function hex(n: number): string {
  return n.toString(16).padStart(2, '0')
}
