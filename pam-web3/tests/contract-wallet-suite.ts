import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { Wallet } from 'ethers'
import { RpcClient } from '../../appliance/src/chain/rpc.ts'
import { contractWalletVerifier } from '../../appliance/src/sign-in/contract-wallets.ts'
import { createGuestEndpoint, type GuestEndpoint } from '../../appliance/src/sign-in/guest-endpoint.ts'
import { loadOrCreateSecrets } from '../../appliance/src/sign-in/secrets.ts'
import { createSignIn, type SignIn } from '../../appliance/src/sign-in/sign-in.ts'
import { deploySafe } from '../../appliance/src/sign-in/test-contract-wallets.ts'
import {
  holder,
  otherWallet,
  signInStand,
  testChainId,
  testContract,
  testInstallation,
  type SignInStand,
} from '../../appliance/src/sign-in/test-stand.ts'
import { ecdsaVerifier, firstOf } from '../../appliance/src/sign-in/wallet-verifier.ts'
import { vmSecret } from '../../appliance/src/vms/guest-secrets.ts'
import { startTestNode, type TestNode } from '../../contracts/deploy/test-node.ts'
import { asVisitor } from './in-namespace.ts'
import { createStand, type Stand } from './stand.ts'
import { Terminal } from './terminal.ts'

// a multisignature wallet, deployed from its published artifacts on a real node, at a real sshd with the module behind it
const third = new Wallet(`0x${'33'.repeat(32)}`)
let node: TestNode
let stand: Stand
let host: SignInStand
let signIn: SignIn
let endpoint: GuestEndpoint
let folder: string
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
  folder = await mkdtemp(join(tmpdir(), 'freehold-safe-'))
  const secrets = await loadOrCreateSecrets(join(folder, 'secrets'))
  const made = await signInStand('embedded', 'https://host.example')
  host = { ...made, ports: { ...made.ports, statementKey: secrets.statementKey } }
  signIn = createSignIn(host.ports, { verifier })
  endpoint = createGuestEndpoint({
    ...host.ports,
    signIn,
    master: secrets.master,
    login: secrets.login,
    onReport: () => Promise.resolve(),
  })
  const port = await endpoint.listen('127.0.0.1:0')
  await host.putVm({ reported: false })
  const hostKey = {
    publicKey: stand.hostKey.split(' ').slice(0, 2).join(' '),
    fingerprint: stand.fingerprint,
  }
  await host.store.vms.mark({ installation: testInstallation, tokenId: 42n }, { hostKey, reportedAt: 1 })
  host.chain.set({ holder: safe.address.toLowerCase() as `0x${string}` })
  await stand.setFacts(
    {
      endpoint: `127.0.0.1:${port}`,
      spkiSha256: secrets.spkiSha256,
      statementKey: secrets.statementKeyRaw,
      chainId: testChainId,
      contract: testContract,
      tokenId: '42',
      generation: 1,
    },
    vmSecret(secrets.master, `freehold:${testInstallation}/42/1`),
  )
})
after(async () => {
  await endpoint?.close()
  await stand?.stop()
  await signIn?.outcomesKept()
  await host?.store.close()
  await node?.close()
  await rm(folder, { recursive: true, force: true })
})

async function ask(): Promise<{ terminal: Terminal; code: string }> {
  const terminal = new Terminal(stand.port, { args: asVisitor, command: ['echo in as $(id -un)'] })
  return { terminal, code: /Code (\S+),/.exec(await terminal.prompt())?.[1] ?? '' }
}

async function approve(code: string, signers: readonly Wallet[]) {
  const signature = await safe.sign(signIn.textOf(signIn.open(code), safe.address), signers)
  return await signIn.approve(code, { address: safe.address, signature }, { address: '127.0.0.1', cookieHash: null })
}

suite('a multisignature wallet at a real sshd', () => {
  test('denies one of its owners alone, by his own key and in the name of the wallet', async () => {
    const { terminal, code } = await ask()
    await assert.rejects(approve(code, [holder]), { code: 'signature-invalid' })
    const own = await holder.signMessage(signIn.textOf(signIn.open(code), holder.address))
    const place = { address: '127.0.0.1', cookieHash: null }
    await assert.rejects(signIn.approve(code, { address: holder.address, signature: own }, place), {
      code: 'wrong-wallet',
    })
    await signIn.refuse(code, '127.0.0.1')
    terminal.type('\r')
    assert.equal(await terminal.exit(), 255)
    assert.doesNotMatch(terminal.shown, /in as/)
  })

  test('logs in with two of three', async () => {
    const { terminal, code } = await ask()
    assert.equal((await approve(code, [third, holder])).state, 'approved')
    terminal.type('\r')
    await terminal.expect(/in as owner/)
    assert.equal(await terminal.exit(), 0)
  })
})
