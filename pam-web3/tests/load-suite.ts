import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { realHost } from './crowd-host.ts'
import { addresses, crowd, lateComer, type Crowd } from './crowd.ts'
import { until } from './stand.ts'
import { Terminal } from './terminal.ts'

// Load and abuse at the ssh port, with the package's limits of sshd and the daemon's own: people wait at once, from 25 addresses; 200
// with FREEHOLD_ALL=1 and in `npm run bench`. By default as many as show the limits: each takes two processes and two key exchanges.
const count = process.env['FREEHOLD_ALL'] === '1' ? 200 : 50
let people: Crowd
const strangers: Terminal[] = []
before(async () => (people = await crowd(count, addresses, realHost)))
after(async () => {
  for (const terminal of strangers) terminal.stop()
  await people?.stop()
})

test(`${count} logins from 25 addresses wait at once, each with a code of its own`, (t) => {
  t.diagnostic(`all at their prompts after ${people.promptSeconds.toFixed(1)} s`)
  assert.equal(people.host.opened.length, count)
  assert.equal(new Set(people.host.opened.map((o) => o.code)).size, count)
  assert.deepEqual(new Set(people.host.opened.map((o) => o.source)), new Set(addresses))
})
test('denies one address more than ten logins that have not signed in, and nobody else', async () => {
  const logged = people.stand.log().length
  const from = (source: string) => new Terminal(people.stand.port, { args: ['-o', 'PubkeyAuthentication=no', '-b', source] })
  const [greedy = ''] = addresses
  const free = 10 - count / addresses.length
  const flood = Array.from({ length: free + 4 }, () => from(greedy))
  strangers.push(...flood)
  const ends = await Promise.all(
    flood.map((t) =>
      t.expect(/paste the reply code: $/).then(
        () => 'prompt',
        () => 'closed',
      ),
    ),
  )
  assert.equal(ends.filter((end) => end === 'closed').length, 4, people.stand.log().slice(logged))
  await until(() => /drop connection .*198\.51\.100\.1/i.test(people.stand.log().slice(logged)), 'sshd to name its limit')
  const other = from(lateComer)
  strangers.push(other)
  await other.prompt()
})
test(`all ${count} are in when they are approved, and no session was noted twice`, async (t) => {
  const took = await people.enter()
  assert.equal(took.length, count)
  const sorted = took.toSorted((a, b) => a - b)
  t.diagnostic(
    `approval to shell: median ${sorted[Math.floor(count / 2)]?.toFixed(0)} ms, p95 ${sorted[Math.ceil(count * 0.95) - 1]?.toFixed(0)} ms`,
  )
  assert.equal(people.host.asked().size, count)
})
