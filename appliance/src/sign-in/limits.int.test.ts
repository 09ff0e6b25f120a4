import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { StoppedClock } from '../dev/stopped-clock.ts'
import type { LoginRequest } from './login-request.ts'
import { createSessions, sessionSeconds } from './sessions.ts'
import { createSignIn, type SignIn } from './sign-in.ts'
import { askForShell, holder, signInStand, type SignInStand } from './test-stand.ts'

const here = { address: '203.0.113.7', cookieHash: null }

// each limit to the second: the last one inside is let in, the first one outside is denied
suite('limits of time', () => {
  let stand: SignInStand
  let clock: StoppedClock
  let signIn: SignIn
  let serial = 0
  before(async () => {
    stand = await signInStand('installed', 'https://host.example')
    await stand.putVm()
    clock = new StoppedClock(stand.clock.now())
    signIn = createSignIn({ ...stand.ports, clock })
  })
  after(() => stand.store.close())

  function shell(): LoginRequest {
    stand.chain.set({})
    return askForShell(signIn, (serial += 1))
  }
  async function approve(request: LoginRequest) {
    const signature = await holder.signMessage(signIn.textOf(request, holder.address))
    return await signIn.approve(request.code, { address: holder.address, signature }, here)
  }

  test('L11 L4 denies a signature at 300 s', async () => {
    const request = shell()
    clock.advance(300)
    await assert.rejects(approve(request), { code: 'request-expired' })
  })

  // 59 and 60 s: where a login of a minute would have been cut off
  for (const seconds of [59, 60, 299, 299.999]) {
    test(`L11 A6 a signature at ${seconds} s is in time`, async () => {
      const request = shell()
      clock.advance(seconds)
      assert.equal((await approve(request)).state, 'approved')
    })
  }

  test('L11 T2 an approval is released to Enter pressed at 299 s, and denied at 300 s', async () => {
    const request = shell()
    const late = shell()
    await approve(request)
    await approve(late)
    clock.advance(299)
    assert.ok(await signIn.release(request))
    clock.advance(1)
    assert.equal(await signIn.release(late), undefined)
    assert.equal(late.state.kind, 'expired')
  })

  test('P8 a web session stands one second before its 12 h are over, and not when they are', async () => {
    const sessions = createSessions({ clock, sessions: stand.store.sessions })
    const { token } = await sessions.create(holder.address, here.address)
    clock.advance(sessionSeconds - 1)
    assert.ok(await sessions.find(token))
    clock.advance(1)
    assert.equal(await sessions.find(token), undefined)
  })
})
