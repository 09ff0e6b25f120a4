import assert from 'node:assert/strict'
import { chmod, chown, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, test } from 'node:test'
import type { LyingHost } from './lying-host.ts'
import { lyingStand } from './lying-stand.ts'
import { ended, until, type Stand } from './stand.ts'

// The module alone, by pamtester: which files it trusts and which callers it serves.
let stand: Stand
let host: LyingHost
lyingStand((made, honest) => ([stand, host] = [made, honest]))
beforeEach(() => {
  host.answer = (opened) => host.approve(opened)
})

/** Runs pamtester with Enter as the only answer. */
async function authenticate(
  items: readonly string[] = ['rhost=203.0.113.7'],
  user = 'owner',
): Promise<{ code: number | null; shown: string }> {
  const child = stand.start('pamtester', [...items.flatMap((i) => ['-I', i]), 'freehold-sshd', user, 'authenticate'])
  let shown = ''
  child.stdout?.on('data', (data: Buffer) => (shown += data.toString()))
  child.stderr?.on('data', (data: Buffer) => (shown += data.toString()))
  child.stdin?.end('\n')
  await ended(child)
  return { code: child.exitCode, shown }
}

async function deniedWithoutACall(text: RegExp, items?: readonly string[], user?: string): Promise<void> {
  const { code, shown } = await authenticate(items, user)
  assert.notEqual(code, 0, shown)
  assert.match(shown, text)
  assert.deepEqual(host.calls, [])
}
const notSetUp = /Denied: this VM is not set up for signing in yet\./

test('lets the holder in when all files are right', async () => {
  const { code, shown } = await authenticate()
  assert.equal(code, 0, shown)
  assert.equal(host.opened[0]?.source, '203.0.113.7')
})

for (const [mode, file] of [
  [0o644, 'secret'],
  [0o640, 'secret'],
  [0o400, 'secret'],
  [0o664, 'guest.json'],
  [0o646, 'guest.json'],
] as const) {
  test(`denies ${file} with mode ${mode.toString(8)}`, async () => {
    await chmod(join(stand.config, file), mode)
    await deniedWithoutACall(notSetUp)
  })
}
for (const file of ['secret', 'guest.json']) {
  test(`denies ${file} of another owner`, async () => {
    await chown(join(stand.config, file), 1000, 1000)
    await deniedWithoutACall(notSetUp)
  })
  test(`denies ${file} behind a link`, async () => {
    const path = join(stand.config, file)
    await rename(path, `${path}.real`)
    await symlink(`${path}.real`, path)
    await deniedWithoutACall(notSetUp)
    await rm(path)
    await rm(`${path}.real`)
  })
  test(`denies without ${file}`, async () => {
    await rm(join(stand.config, file))
    await deniedWithoutACall(notSetUp)
  })
  test(`denies ${file} that is not to the letter`, async () => {
    for (const text of ['', '{}', 'x'.repeat(100_000), `${JSON.stringify({ version: 1, ...host.facts, more: 1 })}`]) {
      await writeFile(join(stand.config, file), text)
      await deniedWithoutACall(notSetUp)
    }
  })
}
test('denies callers without an address', async () => {
  await deniedWithoutACall(/Denied: the address you come from is not known\./, [])
  for (const rhost of ['host.example', '203.0.113.7\n', '203.0.113.256', 'fe80::1%eth0', '1']) {
    await deniedWithoutACall(/Denied: the address you come from is not known\./, [`rhost=${rhost}`])
  }
})
test('denies every user but owner, telling nothing', async () => {
  for (const user of ['root', 'nobody', 'Owner', 'owner\n']) await deniedWithoutACall(/Denied: denied\./, undefined, user)
})

test("denies an approval that comes after the end of the sign-in, by the module's own clock", async () => {
  // the service freehold-short lets a sign-in live for one second
  const child = stand.start('pamtester', ['-I', 'rhost=203.0.113.7', 'freehold-short', 'owner', 'authenticate'])
  let shown = ''
  child.stdout?.on('data', (data: Buffer) => (shown += data.toString()))
  child.stderr?.on('data', (data: Buffer) => (shown += data.toString()))
  await until(() => host.opened.length === 1, 'the request')
  const end = performance.now() + 1200
  await until(() => performance.now() > end, 'the end of the sign-in')
  child.stdin?.end('\n')
  await ended(child)
  assert.notEqual(child.exitCode, 0)
  assert.match(shown, /Denied: the sign-in has expired\. Run ssh again\./)
  assert.deepEqual(host.calls, ['POST /guest/v1/login-requests'])
})
