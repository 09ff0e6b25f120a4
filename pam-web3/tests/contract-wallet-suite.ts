import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import { Wallet } from 'ethers'
import { RpcClient } from '../../appliance/src/chain/rpc.ts'
import { contractWalletVerifier } from '../../appliance/src/sign-in/contract-wallets.ts'
import type { SignIn } from '../../appliance/src/sign-in/sign-in.ts'
import { deployMaliciousWallet, deploySafe, undeployedKeyWallet } from '../../appliance/src/sign-in/test-contract-wallets.ts'
import { holder, otherWallet } from '../../appliance/src/sign-in/test-stand.ts'
import { ecdsaVerifier, firstOf } from '../../appliance/src/sign-in/wallet-verifier.ts'
import { startTestNode, type TestNode } from '../../contracts/deploy/test-node.ts'
import { createHonestHost, type HonestHost } from './honest-host.ts'
import { asVisitor } from './in-namespace.ts'
import { createStand, type Stand } from './stand.ts'
import { Terminal } from './terminal.ts'

// wallets that are contracts on a real node, one of them deployed from its published artifacts, at a real sshd with the module behind it
const third = new Wallet(`0x${'33'.repeat(32)}`)
let node: TestNode
let stand: Stand
let honest: HonestHost
let signIn: SignIn
let safe: Awaited<ReturnType<typeof deploySafe>>

before(async () => {
  node = await startTestNode()
  safe = await deploySafe(await node.provider.getSigner(0), [holder, otherWallet, third])
  const client = new RpcClient({
    url: node.provider._getConnection().url,
    timeoutMs: 5000,
    attempts: 1,
    maxAnswerBytes: 65_536,
  })
  const verifier = firstOf(
    ecdsaVerifier,
    contractWalletVerifier({
      async heads() {
        const found = (await client.call('eth_getBlockByNumber', ['latest', false])) as Record<string, string>
        const latest = {
          number: Number(found['number']),
          hash: found['hash'] ?? '',
          timestamp: Number(found['timestamp']),
        }
        return { latest, giving: latest }
      },
      call: (method, params) => client.call(method, params),
    }),
  )
  stand = await createStand()
  honest = await createHonestHost(stand, { verifier })
  signIn = honest.signIn
  await honest.reset()
})
after(async () => {
  await honest?.stop()
  await stand?.stop()
  await node?.close()
})

async function ask(): Promise<{ terminal: Terminal; code: string }> {
  const terminal = new Terminal(stand.port, { args: asVisitor, command: ['echo in as $(id -un)'] })
  return { terminal, code: /Code (\S+),/.exec(await terminal.prompt())?.[1] ?? '' }
}

/** A contract wallet: its address, and its signature of a text. */
interface ContractWallet {
  address: string
  sign(text: string): Promise<string>
}
const place = { address: '127.0.0.1', cookieHash: null }
const twoOfThree = (signers: readonly Wallet[]): ContractWallet => ({
  address: safe.address,
  sign: (text) => safe.sign(text, signers),
})
async function approve(code: string, { address, sign }: ContractWallet) {
  return await signIn.approve(code, { address, signature: await sign(signIn.textOf(signIn.open(code), address)) }, place)
}
const heldBy = (address: string) => honest.host.chain.set({ holder: address.toLowerCase() as `0x${string}` })
async function endsIn({ terminal, code }: { terminal: Terminal; code: string }, way: 'nothing' | 'a shell'): Promise<void> {
  if (way === 'nothing') await signIn.refuse(code, '127.0.0.1')
  terminal.type('\r')
  if (way === 'a shell') await terminal.expect(/in as owner/)
  assert.equal(await terminal.exit(), way === 'nothing' ? 255 : 0)
  if (way === 'nothing') assert.doesNotMatch(terminal.shown, /in as/)
}

beforeEach(() => heldBy(safe.address))
test('denies one of its owners alone, by his own key and in the name of the wallet', async () => {
  const asked = await ask()
  await assert.rejects(approve(asked.code, twoOfThree([holder])), { code: 'signature-invalid' })
  const own = { address: holder.address, sign: (text: string) => holder.signMessage(text) }
  await assert.rejects(approve(asked.code, own), { code: 'wrong-wallet' })
  await endsIn(asked, 'nothing')
})
test('denies a contract that says yes to everything the pass of another, in its own name and in that of the holder', async () => {
  const malicious = await deployMaliciousWallet(await node.provider.getSigner(0))
  await malicious.become('yes')
  const asked = await ask()
  const sign = () => Promise.resolve('0x00')
  await assert.rejects(approve(asked.code, { address: malicious.address, sign }), { code: 'wrong-wallet' })
  await assert.rejects(approve(asked.code, { address: safe.address, sign }), { code: 'signature-invalid' })
  await endsIn(asked, 'nothing')
})

test('a multisignature wallet logs in with two of three', async () => {
  const asked = await ask()
  assert.equal((await approve(asked.code, twoOfThree([third, holder]))).state, 'approved')
  await endsIn(asked, 'a shell')
})
test('a wallet that is not deployed yet logs in, and nothing is deployed by it', async () => {
  const planned = await undeployedKeyWallet(await node.provider.getSigner(0), third)
  heldBy(planned.address)
  const asked = await ask()
  assert.equal((await approve(asked.code, planned)).state, 'approved')
  await endsIn(asked, 'a shell')
  assert.equal(await node.provider.getCode(planned.address), '0x')
})
