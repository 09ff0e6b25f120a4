import assert from 'node:assert/strict'
import { createPublicKey, verify } from 'node:crypto'
import { after, before, suite, test } from 'node:test'
import type { Wallet } from 'ethers'
import { zeroAddress } from '../chain/subscription.ts'
import type { LoginRequest } from './login-request.ts'
import { createSignIn, type SignIn } from './sign-in.ts'
import { statementText, textSha256 } from './statement.ts'
import {
  askForShell,
  holder,
  otherWallet,
  signInStand,
  testInstallation,
  testSubscription,
  type SignInStand,
} from './test-stand.ts'

const here = { address: '203.0.113.7', cookieHash: null }
const elsewhere = { address: '198.51.100.1', cookieHash: null }

suite('approvals', () => {
  let stand: SignInStand
  let signIn: SignIn
  let serial = 0
  before(async () => {
    stand = await signInStand('installed', 'https://host.example')
    signIn = createSignIn(stand.ports)
    await stand.putVm()
  })
  after(() => stand.store.close())

  function shell(): LoginRequest {
    stand.chain.set({})
    stand.chain.heads = {
      ...stand.chain.heads,
      latest: { ...stand.chain.heads.latest, timestamp: stand.clock.now() },
      stale: false,
    }
    return askForShell(signIn, (serial += 1))
  }
  async function approve(request: LoginRequest, wallet: Wallet = holder, place = here) {
    const signature = await wallet.signMessage(signIn.textOf(request, wallet.address))
    return await signIn.approve(request.code, { address: wallet.address, signature }, place)
  }

  test('A4 on a loopback that another tenant can dial too, every approval needs its reply code', async () => {
    const neighbours: (string | null)[] = []
    const shared = createSignIn({
      ...stand.ports,
      loopbackIsShared: (wallet) => {
        neighbours.push(wallet)
        return true
      },
    })
    for (const source of ['10.0.2.2', '127.0.0.1']) {
      const { state: _, ...made } = { ...shell(), source, behindLoopbackForward: true }
      const request = shared.requests.create(made)
      const signature = await holder.signMessage(shared.textOf(request, holder.address))
      const browser = { address: '127.0.0.1', cookieHash: null }
      assert.equal(shared.reachesAsker(request, browser), false)
      const claim = { address: holder.address, signature }
      assert.equal((await shared.approve(request.code, claim, browser)).state, 'needs-reply')
    }
    assert.deepEqual(new Set(neighbours), new Set([holder.address.toLowerCase()]))
  })

  test('L7 denies the wrong wallet; the right one may still sign', async () => {
    const request = shell()
    await assert.rejects(approve(request, otherWallet), { code: 'wrong-wallet', message: /and 0x.* signed/ })
    assert.equal(request.state.kind, 'waiting')
    assert.deepEqual(await approve(request), { state: 'approved', replyCode: null })
  })

  test('L7 denies a former holder with the first block that shows the transfer', async () => {
    const request = shell()
    stand.chain.latestSubscription = {
      ...testSubscription(stand.clock.now()),
      holder: otherWallet.address.toLowerCase() as `0x${string}`,
    }
    await assert.rejects(approve(request), { code: 'wrong-wallet', message: /holds it no longer/ })
    await assert.rejects(approve(request, otherWallet), { code: 'pass-not-confirmed', message: /too few blocks/ })
  })

  test('L7 denies at the release whoever lost the pass after signing', async () => {
    const request = shell()
    await approve(request)
    stand.clock.advance(20)
    stand.chain.latestSubscription = {
      ...testSubscription(stand.clock.now()),
      holder: otherWallet.address.toLowerCase() as `0x${string}`,
    }
    assert.equal(await signIn.release(request), undefined)
    assert.deepEqual(request.state, { kind: 'denied', reason: { code: 'denied', text: 'Denied.' } })
  })

  test('T3 denies in grace and tells the holder at the terminal', async () => {
    const request = shell()
    const now = stand.chain.heads.latest.timestamp
    stand.chain.set({ expiresAt: now - 5 })
    await assert.rejects(approve(request), { code: 'not-entitled', message: /The data is kept until/ })
    assert.ok(request.state.kind === 'denied')
    assert.match(request.state.reason.text, /^The subscription ended on .* The data is kept until .* UTC\.$/)
  })

  test('T3 denies when the subscription has ended: the terminal tells its last holder, and a stranger nothing', async () => {
    const gone = { state: 'ended', holder: zeroAddress } as const
    const says = async (wallet: Wallet, settled: boolean) => {
      const request = shell()
      if (settled) stand.chain.set(gone)
      else stand.chain.latestSubscription = { ...testSubscription(stand.clock.now()), ...gone }
      // the page tells whoever signed: it stands on the chain for everybody
      await assert.rejects(approve(request, wallet), { code: 'not-entitled', message: /has ended/ })
      assert.ok(request.state.kind === 'denied')
      return request.state.reason
    }
    const denied = { code: 'denied', text: 'Denied.' }
    assert.deepEqual(await says(holder, false), { code: 'not-entitled', text: 'The subscription has ended.' })
    assert.deepEqual(await says(otherWallet, false), denied)
    // once that is settled nobody holds a pass
    assert.deepEqual(await says(holder, true), denied)
    assert.deepEqual(await says(otherWallet, true), denied)
  })

  test('T3 a stranger at the terminal does not learn that the host is behind', async () => {
    const request = shell()
    stand.chain.heads = { ...stand.chain.heads, stale: true }
    await assert.rejects(approve(request, otherWallet), { code: 'chain-stale' })
    assert.deepEqual(request.state, { kind: 'denied', reason: { code: 'denied', text: 'Denied.' } })
  })

  test('T4 denies on a stale chain, and says so', async () => {
    const request = shell()
    stand.chain.heads = { ...stand.chain.heads, stale: true }
    await assert.rejects(approve(request), { code: 'chain-stale' })
    assert.ok(request.state.kind === 'denied' && request.state.reason.code === 'chain-stale')
  })

  test('denies another generation', async () => {
    const request = shell()
    await stand.putVm({ generation: 2 })
    await assert.rejects(approve(request), { code: 'request-used', message: /reinstalled/ })
    await stand.putVm()
  })

  test('L4 A9 denies the expired, and says so', async () => {
    const request = shell()
    stand.clock.advance(300)
    await assert.rejects(approve(request), { code: 'request-expired' })
  })

  test('L4 denies the replayed: a signature of another request, and the same one after its use', async () => {
    const first = shell()
    const second = shell()
    const signature = await holder.signMessage(signIn.textOf(first, holder.address))
    await assert.rejects(signIn.approve(second.code, { address: holder.address, signature }, here), { code: 'signature-invalid' })
    await signIn.approve(first.code, { address: holder.address, signature }, here)
    await signIn.release(first)
    await assert.rejects(signIn.approve(first.code, { address: holder.address, signature }, here), { code: 'request-used' })
  })

  test('L4 denies a tampered text and a tampered signature', async () => {
    const request = shell()
    const text = signIn.textOf(request, holder.address)
    const tampered = await holder.signMessage(text.replace('as owner', 'as root'))
    await assert.rejects(signIn.approve(request.code, { address: holder.address, signature: tampered }, here), {
      code: 'signature-invalid',
    })
    const signature = (await holder.signMessage(text)).replace(/^0x./, (c) => (c === '0x0' ? '0x1' : '0x0'))
    await assert.rejects(signIn.approve(request.code, { address: holder.address, signature }, here), {
      code: 'signature-invalid',
    })
  })

  test('L12 denies an address that did not sign', async () => {
    const request = shell()
    const signature = await otherWallet.signMessage(signIn.textOf(request, holder.address))
    await assert.rejects(signIn.approve(request.code, { address: holder.address, signature }, here), {
      code: 'signature-invalid',
    })
  })

  test('P8 ten signatures that do not fit end the request', async () => {
    const request = shell()
    for (let i = 0; i < 10; i += 1) {
      await assert.rejects(signIn.approve(request.code, { address: holder.address, signature: `0x${'00'.repeat(65)}` }, here), {
        code: 'signature-invalid',
      })
    }
    await assert.rejects(approve(request), { code: 'request-used' })
  })

  test('A4 an approval from another browser and address needs the reply code', async () => {
    const request = shell()
    const { state, replyCode } = await approve(request, holder, elsewhere)
    assert.equal(state, 'needs-reply')
    assert.equal(await signIn.release(request), undefined)
    signIn.reply(request, 'ABCD-EFGH')
    signIn.reply(request, '')
    assert.ok(request.state.kind === 'needs-reply' && request.state.triesLeft === 1)
    signIn.reply(request, ` ${replyCode?.toLowerCase()} `)
    assert.ok((await signIn.release(request))?.signer === holder.address.toLowerCase())
  })

  test('A4 three wrong reply codes end it, also for the right one', async () => {
    const request = shell()
    const { replyCode } = await approve(request, holder, elsewhere)
    for (let i = 0; i < 3; i += 1) signIn.reply(request, '00000000')
    signIn.reply(request, replyCode ?? '')
    assert.deepEqual(request.state, {
      kind: 'denied',
      reason: { code: 'reply-wrong', text: 'Three wrong reply codes. Begin again.' },
    })
  })

  test('A3 Not me ends it at once, also after the signature, and stands in the audit trail', async () => {
    const request = shell()
    await approve(request, holder, elsewhere)
    await signIn.refuse(request.code.toLowerCase(), '198.51.100.1')
    await signIn.refuse(request.code, '198.51.100.1')
    assert.equal(await signIn.release(request), undefined)
    await assert.rejects(approve(request), { code: 'request-used', message: /Refused on the sign-in page/ })
    await signIn.outcomesKept()
    const { items } = await stand.store.audit.list({ target: `${testInstallation}-42` })
    assert.equal(items.filter((i) => i.result === 'denied: refused').length, 1)
    const outcomes = (await stand.store.loginOutcomes.list()).items.filter((o) => o.requestId === request.requestId)
    assert.deepEqual(
      outcomes.map((o) => [o.outcome, o.reason]),
      [['denied', 'refused']],
    )
  })

  test('an approved request that waited is worth nothing after 300 s', async () => {
    const request = shell()
    await approve(request)
    stand.clock.advance(300)
    assert.equal(await signIn.release(request), undefined)
    assert.equal(request.state.kind, 'expired')
  })

  test('L12 the statement says what the chain says, over exactly this text', async () => {
    const request = shell()
    await approve(request)
    const released = await signIn.release(request)
    const statement = released?.statement
    assert.ok(statement)
    assert.equal(statement.textSha256, textSha256(signIn.textOf(request, holder.address)))
    assert.equal(statement.nonce, request.nonce)
    assert.equal(statement.signer, holder.address.toLowerCase())
    assert.equal(statement.holder, statement.signer)
    assert.equal(statement.blockNumber, stand.chain.heads.latest.number)
    const key = createPublicKey(stand.ports.statementKey)
    assert.ok(verify(null, Buffer.from(statementText(statement)), key, Buffer.from(statement.signature, 'base64')))
    // an answer that was lost on its way is given again, and counted once
    assert.ok(await signIn.release(request))
    await signIn.outcomesKept()
    const outcomes = (await stand.store.loginOutcomes.list()).items.filter((o) => o.requestId === request.requestId)
    assert.deepEqual(
      outcomes.map((o) => o.outcome),
      ['used'],
    )
  })

  test('an approved act is consumed once', async () => {
    const request = shell()
    const any = () => true
    await assert.rejects(signIn.consume(request.requestId, any), { code: 'not-in-this-state' })
    await approve(request)
    await assert.rejects(
      signIn.consume(request.requestId, () => false),
      { code: 'not-found' },
    )
    const both = await Promise.allSettled([signIn.consume(request.requestId, any), signIn.consume(request.requestId, any)])
    assert.deepEqual(both.map((b) => b.status).sort(), ['fulfilled', 'rejected'])
  })
})
