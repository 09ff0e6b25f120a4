import assert from 'node:assert/strict'
import { after, before, beforeEach, test } from 'node:test'
import type { ChildProcess } from 'node:child_process'
import { createLyingHost, holder, secret, stranger, type LyingHost } from './lying-host.ts'
import { createStand, ended, until, type Stand } from './stand.ts'
import { Terminal } from './terminal.ts'

const active = { holder: holder.address.toLowerCase(), activeUntil: 1_900_000_000, blockNumber: 1, reason: null }
let stand: Stand
let host: LyingHost
let watch: ChildProcess
before(async () => {
  stand = await createStand()
  host = await createLyingHost(stand.fingerprint)
})
beforeEach(async () => {
  host.reset()
  await stand.setFacts(host.facts, secret)
  host.answer = (opened) => host.approve(opened)
  host.presence = active
  watch = stand.startWatch()
})
after(async () => {
  await host?.stop()
  await stand?.stop()
})

async function signedIn(): Promise<Terminal> {
  const terminal = new Terminal(stand.port)
  await terminal.prompt()
  terminal.type('\r')
  await terminal.expect(/[$#] $/)
  return terminal
}
const polls = () => host.calls.filter((call) => call.startsWith('GET /guest/v1/presence')).length
async function morePolls(): Promise<void> {
  const seen = polls()
  await until(() => polls() > seen + 1, 'the watch to ask again')
}
async function stopWatch(): Promise<void> {
  watch.kill('SIGTERM')
  await ended(watch)
}

test('T6 a session stands while holder and entitlement stand, and while the host is silent', async () => {
  const terminal = await signedIn()
  await morePolls()
  host.presence = undefined
  await morePolls()
  host.presence = { ...active, activeUntil: 1_900_086_400 }
  await morePolls()
  terminal.type('echo still $((1+1))\r')
  await terminal.expect(/still 2/)
  terminal.type('exit\r')
  assert.equal(await terminal.exit(), 0)
  await stopWatch()
})
test('T6 ends the session of a former holder and says why', async () => {
  const terminal = await signedIn()
  terminal.type('sleep 1000\r')
  await morePolls()
  host.presence = { ...active, holder: stranger.address.toLowerCase() }
  await terminal.expect(/Freehold: signed out: the access pass has moved to another wallet\./)
  assert.notEqual(await terminal.exit(), 0)
  await stopWatch()
})
test('T6 ends sessions when the subscription is over and says why', async () => {
  const terminal = await signedIn()
  await morePolls()
  host.presence = {
    ...active,
    activeUntil: null,
    reason: { code: 'not-entitled', text: 'The subscription ended on 2026-11-20.' },
  }
  await terminal.expect(/Freehold: signed out: The subscription ended on 2026-11-20\./)
  assert.notEqual(await terminal.exit(), 0)
  await stopWatch()
})
