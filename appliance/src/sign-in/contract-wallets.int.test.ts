import assert from 'node:assert/strict'
import { createPublicKey, verify as verifyBytes } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import { startTestNode, type TestNode } from '../../../contracts/deploy/test-node.ts'
import type { Address } from '../chain/subscription.ts'
import type { BlockRef } from '../chain/port.ts'
import { RpcClient } from '../chain/rpc.ts'
import { AppError } from '../errors/app-error.ts'
import { Wallet, type JsonRpcSigner } from 'ethers'
import { contractWalletVerifier } from './contract-wallets.ts'
import { createSignIn } from './sign-in.ts'
import { statementText, textSha256, type OwnershipStatement } from './statement.ts'
import {
  deployKeyWallet,
  deployMaliciousWallet,
  deploySafe,
  undeployedKeyWallet,
  ways,
  wrapped,
} from './test-contract-wallets.ts'
import { holder, otherWallet, signInStand } from './test-stand.ts'
import { ecdsaVerifier, firstOf } from './wallet-verifier.ts'

const text = 'host.example wants you to sign in'
const third = new Wallet(`0x${'33'.repeat(32)}`)

suite('contract wallets', () => {
  let node: TestNode
  let client: RpcClient
  let signer: JsonRpcSigner
  let wallet = ''
  let malicious: Awaited<ReturnType<typeof deployMaliciousWallet>>
  /** How many blocks the giving depth lies behind the newest. */
  let behind = 0
  let calls = 0
  before(async () => {
    node = await startTestNode()
    signer = await node.provider.getSigner(0)
    client = new RpcClient({ url: node.provider._getConnection().url, timeoutMs: 5000, attempts: 1, maxAnswerBytes: 65_536 })
    wallet = await deployKeyWallet(signer, holder.address)
    malicious = await deployMaliciousWallet(signer)
  })
  after(() => node.close())

  async function block(tag: string): Promise<BlockRef> {
    const found = (await client.call('eth_getBlockByNumber', [tag, false])) as Record<string, string>
    return { number: Number(found['number']), hash: found['hash'] ?? '', timestamp: Number(found['timestamp']) }
  }
  const ports = {
    async heads() {
      const latest = await block('latest')
      return { latest, giving: await block(`0x${(latest.number - behind).toString(16)}`) }
    },
    call(method: string, params: readonly unknown[]) {
      calls += 1
      return client.call(method, params)
    },
  }
  const verifier = contractWalletVerifier(ports)
  const verify = (address: string, signature: string, of = text) => verifier.verify({ address, text: of, signature })
  const mine = (count: number) => node.provider.send('anvil_mine', [`0x${count.toString(16)}`])

  test('denies another key, another text, the bare hash, junk', async () => {
    for (const signature of [
      await otherWallet.signMessage(text),
      await holder.signMessage(`${text}.`),
      holder.signingKey.sign(`0x${'ab'.repeat(32)}`).serialized,
      `0x${'00'.repeat(65)}`,
      `0x${'ff'.repeat(10_000)}`,
    ]) {
      assert.equal(await verify(wallet, signature), undefined)
    }
  })
  test('denies what need not be asked, without a call: nothing, odd digits, no hex, more than 10,000 bytes', async () => {
    calls = 0
    for (const signature of ['0x', '', '0x123', `0x${'zz'.repeat(65)}`, `0x${'00'.repeat(10_001)}`, `0x00\n`]) {
      assert.equal(await verify(wallet, signature), undefined)
    }
    assert.equal(calls, 0)
  })
  test('denies an address without code, whatever is signed, and a precompile', async () => {
    assert.equal(await verify(otherWallet.address, await otherWallet.signMessage(text)), undefined)
    assert.equal(await verify(`0x${'0'.repeat(39)}1`, `0x${'00'.repeat(65)}`), undefined)
    assert.equal(await verify(`0x${'0'.repeat(39)}4`, `0x1626ba7e${'00'.repeat(28)}`), undefined)
  })
  for (const way of Object.keys(ways) as (keyof typeof ways)[]) {
    if (way === 'yes' || way === 'yes in even blocks only' || way === 'yes and a megabyte') continue
    test(`denies a wallet that answers with ${way}, in bounded time`, { timeout: 60_000 }, async () => {
      await malicious.become(way)
      assert.equal(await verify(malicious.address, '0x00'), undefined)
    })
  }
  test('a yes that drags a megabyte behind it is a yes, of which one word is copied and one travels', async () => {
    await malicious.become('yes and a megabyte')
    let longest = 0
    const measuring = contractWalletVerifier({
      ...ports,
      async call(method, params) {
        const answer = await client.call(method, params)
        longest = Math.max(longest, String(answer).length)
        return answer
      },
    })
    assert.equal(await measuring.verify({ address: malicious.address, text, signature: '0x00' }), 'erc1271')
    assert.equal(longest, 66)
  })
  test('denies a wallet that changes its mind between the giving depth and the newest block', async () => {
    await malicious.become('yes in even blocks only')
    await mine(4)
    behind = 1
    try {
      for (const turn of [0, 1]) {
        assert.equal(await verify(malicious.address, '0x00'), undefined, `turn ${turn}`)
        await mine(1)
      }
      // the attack is one: at a single depth it would have been let through in one of two blocks
      behind = 2
      const both = [await verify(malicious.address, '0x00'), await mine(1), await verify(malicious.address, '0x00')]
      assert.deepEqual(both.filter((v) => v === 'erc1271').length, 1)
    } finally {
      behind = 0
    }
  })
  test('denies a wallet that was made after the giving depth', async () => {
    await mine(3)
    const young = await deployKeyWallet(signer, holder.address)
    behind = 1
    try {
      assert.equal(await verify(young, await holder.signMessage(text)), undefined)
    } finally {
      behind = 0
    }
    assert.equal(await verify(young, await holder.signMessage(text)), 'erc1271')
  })
  test('denies ERC-6492 wrappers that are damaged, name a factory that makes nothing, or another wallet', async () => {
    const planned = await undeployedKeyWallet(signer, holder)
    const good = await planned.sign(text)
    const inner = await holder.signMessage(text)
    for (const signature of [
      `0x${'6492'.repeat(16)}`,
      `0x00${'6492'.repeat(16)}`,
      `0x${'ff'.repeat(160)}${'6492'.repeat(16)}`,
      wrapped(otherWallet.address, '0x', inner),
      wrapped(malicious.address, '0x', inner),
      inner,
      good.slice(0, -64),
    ]) {
      assert.equal(await verify(planned.address, signature), undefined)
    }
    assert.equal(await verify(planned.address, await planned.sign(text, otherWallet)), undefined)
    assert.equal(await verify(otherWallet.address, good), undefined)
    await malicious.become('burnt gas')
    assert.equal(await verify(planned.address, wrapped(malicious.address, '0x', inner)), undefined)
  })
  test('a node that does not answer or refuses is told as such, never taken for a yes', async () => {
    for (const [code, call] of [
      ['rpc-unreachable', () => new RpcClient({ url: 'http://127.0.0.1:9', attempts: 1 }).call('eth_call')],
      ['rpc-refused', () => client.call('no_suchMethod')],
    ] as const) {
      const broken = contractWalletVerifier({ ...ports, call })
      await assert.rejects(
        broken.verify({ address: wallet, text, signature: '0x00' }),
        (e) => e instanceof AppError && e.code === code,
      )
    }
    for (const answer of ['0x', '0x01', null, true, `0x${'f'.repeat(64)}`, `0x1626ba7e${'0'.repeat(56)}`]) {
      const lying = contractWalletVerifier({ ...ports, call: () => Promise.resolve(answer) })
      assert.equal(await lying.verify({ address: wallet, text, signature: '0x00' }), undefined)
    }
  })
  test('denies more than eight questions at once, and recovers', async () => {
    const gate = Promise.withResolvers<unknown>()
    const slow = contractWalletVerifier({ ...ports, call: () => gate.promise })
    const asked = Array.from({ length: 8 }, () => slow.verify({ address: wallet, text, signature: '0x00' }))
    await assert.rejects(slow.verify({ address: wallet, text, signature: '0x00' }), /Too many contract wallets/)
    gate.resolve(`0x${'0'.repeat(64)}`)
    assert.deepEqual(await Promise.all(asked), Array(8).fill(undefined))
    await slow.verify({ address: wallet, text, signature: '0x00' })
  })
  test('key recovery comes first, also where the address has code (EIP-7702), and asks no node', async () => {
    await node.provider.send('anvil_setCode', [third.address, `0xef0100${malicious.address.slice(2).toLowerCase()}`])
    await malicious.become('a revert')
    calls = 0
    const both = firstOf(ecdsaVerifier, verifier)
    assert.equal(await both.verify({ address: third.address, text, signature: await third.signMessage(text) }), 'ecdsa')
    assert.equal(calls, 0)
  })
  test('a deployed wallet: ERC-1271, one call where both depths are one block, else two', async () => {
    calls = 0
    assert.equal(await verify(wallet, await holder.signMessage(text)), 'erc1271')
    assert.equal(calls, 1)
    await mine(3)
    behind = 1
    assert.equal(await verify(wallet, await holder.signMessage(text)), 'erc1271')
    assert.equal(calls, 3)
    behind = 0
  })
  test('a wallet not deployed yet: ERC-6492; the same signature is ERC-1271 once it is', async () => {
    const planned = await undeployedKeyWallet(signer, third)
    const signature = await planned.sign(text)
    assert.equal(await verify(planned.address, signature), 'erc6492')
    assert.equal(await node.provider.getCode(planned.address), '0x', 'asking has deployed nothing')
    await planned.deploy()
    assert.equal(await verify(planned.address, signature), 'erc1271')
  })

  suite('signing in', () => {
    async function stand(holderAddress: string) {
      const made = await signInStand()
      await made.putVm()
      made.chain.set({ holder: holderAddress.toLowerCase() as Address })
      const signIn = createSignIn(made.ports, { verifier: firstOf(ecdsaVerifier, verifier) })
      const request = signIn.requests.create({
        act: 'console',
        vm: {
          vmId: `${made.chain.installation}-42`,
          installation: made.chain.installation,
          contract: made.chain.contractAddress,
          tokenId: 42n,
          generation: 1,
        },
        hostKey: null,
        user: null,
        source: '127.0.0.1',
        behindLoopbackForward: false,
        nonce: 'ab'.repeat(16),
        asker: { kind: 'browser', cookieHash: 'x' },
      })
      const approve = (address: string, signature: string) =>
        signIn.approve(request.code, { address, signature }, { address: '127.0.0.1', cookieHash: null })
      return { ...made, signIn, request, approve, close: () => made.store.close() }
    }
    const refused = (code: string) => (e: unknown) => e instanceof AppError && e.code === code

    test('denies a wallet that says yes to everything the pass of another', async () => {
      await malicious.become('yes')
      const { approve, request, close } = await stand(holder.address)
      await assert.rejects(approve(malicious.address, '0x00'), refused('wrong-wallet'))
      await assert.rejects(approve(holder.address, '0x00'), refused('signature-invalid'))
      assert.equal(request.state.kind, 'waiting')
      await close()
    })
    test('denies one owner alone of a multisignature wallet, and strangers', async () => {
      const multi = await deploySafe(signer, [holder, otherWallet, third])
      const { approve, signIn, request, close } = await stand(multi.address)
      const said = signIn.textOf(request, multi.address)
      const stranger = new Wallet(`0x${'44'.repeat(32)}`)
      for (const by of [[holder], [holder, holder], [holder, stranger]]) {
        await assert.rejects(approve(multi.address, await multi.sign(said, by)), refused('signature-invalid'))
      }
      await assert.rejects(
        approve(holder.address, await holder.signMessage(signIn.textOf(request, holder.address))),
        refused('wrong-wallet'),
      )
      await close()
    })
    test('a wallet not deployed yet logs in; ERC-6492 stands in the statement that the host signs, bound to this very text', async () => {
      const planned = await undeployedKeyWallet(signer, new Wallet(`0x${'55'.repeat(32)}`))
      const { approve, signIn, request, ports, close } = await stand(planned.address)
      const said = signIn.textOf(request, planned.address)
      // the wrapper alone lets nobody in: what it holds was signed for another text
      const elsewhere = await planned.sign(said.replace(request.requestId, 'f'.repeat(32)))
      await assert.rejects(approve(planned.address, elsewhere), refused('signature-invalid'))
      assert.equal((await approve(planned.address, await planned.sign(said))).state, 'approved')
      assert.equal(await node.provider.getCode(planned.address), '0x', 'nothing was deployed')
      const { statement } = (await signIn.release(request)) ?? {}
      assert.ok(statement)
      const { verifiedBy, signer: by, holder: of, textSha256: sha256, nonce } = statement
      const who = planned.address.toLowerCase()
      assert.deepEqual([verifiedBy, by, of, sha256, nonce], ['erc6492', who, who, textSha256(said), request.nonce])
      const key = createPublicKey(ports.statementKey)
      const fits = (fields: OwnershipStatement) =>
        verifyBytes(null, Buffer.from(statementText(fields)), key, Buffer.from(statement.signature, 'base64'))
      assert.ok(fits(statement))
      assert.ok(!fits({ ...statement, verifiedBy: 'ecdsa' }), 'how it was verified is signed too')
      await signIn.outcomesKept()
      await close()
    })
    test('a multisignature wallet logs in with two of three; how it was verified stands in the statement', async () => {
      const multi = await deploySafe(signer, [holder, otherWallet, third])
      const { approve, signIn, request, close } = await stand(multi.address)
      const said = signIn.textOf(request, multi.address)
      assert.equal((await approve(multi.address, await multi.sign(said, [third, holder]))).state, 'approved')
      const released = await signIn.release(request)
      assert.deepEqual(
        [released?.verifiedBy, released?.statement?.verifiedBy, released?.statement?.signer, released?.statement?.holder],
        ['erc1271', 'erc1271', multi.address.toLowerCase(), multi.address.toLowerCase()],
      )
      await signIn.outcomesKept()
      await close()
    })
  })
})
