import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, lchown, mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { createApi, type ApiServer } from '../api/app.ts'
import { openFront, type Front } from '../api/test-front.ts'
import { apiStand, type ApiStand } from '../api/test-stand.ts'
import { loadOrCreateKey } from '../chain/provisioner-key.ts'
import { startTestChain, type TestChain } from '../chain/test-chain.ts'
import { systemClock } from '../clock/clock.ts'
import { createGuestEndpoint, type GuestEndpoint } from '../sign-in/guest-endpoint.ts'
import { loadOrCreateSecrets } from '../sign-in/secrets.ts'
import { openStore } from '../store/store.ts'
import { createClient } from './client.ts'
import type { Check } from './verify/check.ts'
import { verifyInstallation } from './verify/installation.ts'

interface Verified {
  ok: boolean
  checks: Check[]
}

suite('freehold verify', () => {
  let state = ''
  let host: ApiStand
  let front: Front
  let doors: ApiServer[] = []
  let guests: GuestEndpoint
  let chain: TestChain

  before(async () => {
    state = await mkdtemp(join(tmpdir(), 'fh-verify-'))
    await mkdir(join(state, 'run'), { mode: 0o700 })
    const secrets = await loadOrCreateSecrets(join(state, 'secrets/sign-in'))
    const key = await loadOrCreateKey(join(state, 'secrets/provisioner.key'))
    await (await openStore(join(state, 'freehold.db'), { clock: systemClock })).close()
    chain = await startTestChain(key.address)
    front = await openFront()
    host = await apiStand('embedded', 'public', front.origin)
    await host.refresh()
    guests = createGuestEndpoint({
      ...host.ports,
      signIn: host.signIn,
      master: secrets.master,
      login: secrets.login,
      onReport: () => Promise.resolve(),
    })
    const port = await guests.listen('127.0.0.1:0')
    for (const [door, name, mode] of [
      ['host', 'admin.sock', 0o600],
      ['public', 'api.sock', 0o660],
    ] as const) {
      const app = await createApi(host.apiPorts, { door })
      await app.listen({ path: join(state, 'run', name) })
      await chmod(join(state, 'run', name), mode)
      doors.push(app)
    }
    front.behind(join(state, 'run/api.sock'))
    const answers = await readFile(resolve(import.meta.dirname, '../../../scripts/embedded.yaml'), 'utf8')
    const lines = answers
      .replace(/^origin: .*$/m, `origin: ${front.origin}`)
      .replace(/http:\/\/127\.0\.0\.1:[0-9]+/, chain.url)
      .replace(/^listen:[\s\S]*?(?=^\S)/m, '')
      .replace(/^contracts:[\s\S]*?(?=^\S)/m, '')
    await writeFile(
      join(state, 'freehold.yaml'),
      `${lines}\nlisten: { login: '127.0.0.1:${port}' }\ncontracts: [{ address: '${chain.contract}' }]\n`,
    )
  })
  after(async () => {
    for (const door of doors) await door.close()
    await guests?.close()
    await host?.close()
    await front?.close()
    await chain?.close()
    await rm(state, { recursive: true, force: true })
  })

  function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
    const freehold = resolve(import.meta.dirname, 'freehold.ts')
    const { promise, resolve: done } = Promise.withResolvers<{ code: number; out: string; err: string }>()
    execFile(process.execPath, [freehold, '--state', state, ...args], { timeout: 60_000 }, (error, out, err) =>
      done({ code: error === null ? 0 : Number(error.code), out, err }),
    )
    return promise
  }
  /** In this process: what is asked is the same, and Node need not start for each row. */
  async function verify(): Promise<Verified> {
    const checks = await verifyInstallation(
      state,
      process.getuid?.() ?? 0,
      createClient({ socket: join(state, 'run/admin.sock') }),
    )
    return { ok: checks.every((c) => c.state !== 'failed'), checks }
  }
  /** One thing is wrong, and exactly that is told. */
  async function fails(ids: string[], change: () => Promise<unknown>, back: () => Promise<unknown>): Promise<void> {
    await change()
    try {
      const { ok, checks } = await verify()
      const failed = checks.filter((c) => c.state === 'failed')
      assert.deepEqual(failed.map((c) => c.id).toSorted(), ids.toSorted(), JSON.stringify(failed))
      assert.equal(ok, false)
      for (const { id, remedy } of failed) assert.notEqual(remedy, '', `${id} has no remedy`)
    } finally {
      await back()
    }
  }
  const at = (...names: string[]) => join(state, ...names)
  const moved = (path: string) => [() => rename(path, `${path}.away`), () => rename(`${path}.away`, path)] as const
  const mode = (path: string, wrong: number, right: number) => [() => chmod(path, wrong), () => chmod(path, right)] as const
  const content = (path: string, change: (text: Buffer) => string | Buffer) => {
    let kept: Buffer
    return [
      async () => {
        kept = await readFile(path)
        await writeFile(path, change(kept))
      },
      () => writeFile(path, kept),
    ] as const
  }

  test('finds each secret that is absent, and makes none', async () => {
    const signIn = at('secrets/sign-in')
    for (const [file, ids] of [
      ['master', ['master-secret']],
      ['statement-key.pem', ['statement-key']],
      ['login-endpoint.pem', ['login-key', 'login-endpoint']],
      ['user-ca', ['user-ca']],
    ] as const) {
      await fails([...ids], ...moved(join(signIn, file)))
    }
    await fails(['provisioner-key', 'contract-1'], ...moved(at('secrets/provisioner.key')))
  })
  test('finds modes that let others in', async () => {
    await fails(['state-folder'], ...mode(state, 0o777, 0o700))
    await fails(['secrets-folder'], ...mode(at('secrets/sign-in'), 0o755, 0o700))
    await fails(['statement-key'], ...mode(at('secrets/sign-in/statement-key.pem'), 0o644, 0o600))
    await fails(['operator-door'], ...mode(at('run/admin.sock'), 0o666, 0o600))
    await fails(['public-door'], ...mode(at('run/api.sock'), 0o666, 0o660))
  })
  test('finds files and folders that belong to another user', async () => {
    const own = process.getuid?.() ?? 0
    const given = (path: string) => [() => lchown(path, 12_345, 12_345), () => lchown(path, own, own)] as const
    await fails(['state-folder'], ...given(state))
    await fails(['secrets-folder'], ...given(at('secrets/sign-in')))
    await fails(['master-secret'], ...given(at('secrets/sign-in/master')))
    await fails(['statement-key'], ...given(at('secrets/sign-in/statement-key.pem')))
    await fails(['user-ca'], ...given(at('secrets/sign-in/user-ca')))
    await fails(['operator-door'], ...given(at('run/admin.sock')))
  })
  test('finds damaged content: a secret, the database, the configuration', async () => {
    await fails(['master-secret'], ...content(at('secrets/sign-in/master'), (b) => b.subarray(1)))
    await fails(['user-ca'], ...content(at('secrets/sign-in/user-ca'), () => 'no key'))
    await fails(['database'], ...content(at('freehold.db'), () => 'no database at all, not even near'))
    await fails(['configuration'], ...content(at('freehold.yaml'), () => 'version: 1\n'))
  })
  test('finds another network, another contract, another key of the provisioner', async () => {
    const yaml = at('freehold.yaml')
    await fails(
      ['chain-1', 'clock', 'contract-1', 'origin'],
      ...content(yaml, (b) =>
        b
          .toString()
          .replace('chainId: 31337', 'chainId: 5\npublicChain: true')
          .replace(/^chain:\n {2}chainId: 5\npublicChain: true/m, 'publicChain: true\nchain:\n  chainId: 5'),
      ),
    )
    await fails(['contract-1'], ...content(yaml, (b) => b.toString().replace(chain.contract, `0x${'12'.repeat(20)}`)))
    await fails(['contract-1'], ...content(at('secrets/provisioner.key'), () => `0x${'77'.repeat(32)}\n`))
  })
  test('finds another key at the login endpoint, and a name that nobody answers', async () => {
    const other = await loadOrCreateSecrets(at('other'))
    await fails(
      ['login-endpoint'],
      ...content(at('secrets/sign-in/login-endpoint.pem'), () => other.login.keyPem + other.login.certificatePem),
    )
    await fails(['origin'], ...content(at('freehold.yaml'), (b) => b.toString().replace(front.origin, 'http://localhost:9')))
  })
  test('a failure ends the command with 1 and shows the remedy', async () => {
    const [away, back] = moved(at('secrets/sign-in/master'))
    await away()
    const { code, out, err } = await run('verify')
    await back()
    assert.equal(code, 1)
    assert.match(out, /^failed +master-secret/m)
    assert.match(err, /master-secret: Put it back from your copy of the secrets/)
  })
  test('where there is nothing to look at it says so, with a code of its own', async () => {
    const { code, err } = await run('--state', '/nowhere', 'verify')
    assert.equal(code, 3)
    assert.match(err, /\/nowhere is not there/)
  })
  for (const words of [
    ['verify', '--yaml'],
    ['verify', 'more'],
    ['audit', '--since', 'yesterday'],
    ['audit', '--vm'],
    ['audit', '--json=yes'],
  ]) {
    test(`denies ${words.join(' ')}: bad input ends with 2, and nothing stands on stdout`, async () => {
      const { code, out, err } = await run(...words)
      assert.deepEqual([code, out], [2, ''], err)
      assert.notEqual(err, '')
    })
  }
  test('T8 help of both says what each exit code means', async () => {
    for (const verb of ['verify', 'audit']) {
      const { code, out } = await run(verb, '--help')
      assert.equal(code, 0)
      assert.match(out, /Exit codes: 0 .*, 1 .*, 2 bad input, 3 /)
    }
  })
  test('a whole installation passes, as a table and as JSON, and no secret is told', async () => {
    const json = await run('--json', 'verify')
    assert.equal(json.code, 0, json.out)
    const { ok, checks } = JSON.parse(json.out) as Verified
    assert.deepEqual([ok, checks.filter((c) => c.state !== 'ok')], [true, []])
    const plain = await run('verify')
    assert.equal(plain.code, 0, plain.err)
    assert.match(plain.out, /^ok +configuration +freehold\.yaml is valid$/m)
    const key = (await readFile(at('secrets/provisioner.key'), 'utf8')).trim().slice(2)
    assert.ok(!`${plain.out}${plain.err}`.includes(key))
  })
  test('audit prints the trail, and ends with 1 where it does not fit together', async () => {
    const entry = { who: `0x${'a1'.repeat(20)}`, target: '4eff3c5b1f35-42', transactionHash: null }
    await host.store.audit.append({ ...entry, what: 'sign-in shell', result: 'approved' })
    await host.store.audit.append({ ...entry, what: 'vm stop', result: 'task\x1b[2J 1' })
    const whole = await run('audit')
    assert.equal(whole.code, 0, whole.err)
    assert.match(whole.out, /sign-in shell +4eff3c5b1f35-42 +approved/)
    assert.ok(!whole.out.includes('\x1b'))
    assert.match(whole.err, /2 records fit together/)
    await host.store.audit.append({ ...entry, what: 'ssh-certificate', result: 'key x' })
    const broken = await run('--json', 'audit', '--vm', 'another')
    assert.equal(broken.code, 1)
    const told = JSON.parse(broken.out) as { ok: boolean; findings: string[]; records: unknown[] }
    assert.deepEqual([told.ok, told.findings.length, told.records.length], [false, 1, 0])
  })
})
