import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isLeftOut } from './contents.ts'
import { dueBecause, retrySeconds } from './due.ts'
import { backupName, parseName } from './folder.ts'
import { openKeysOf } from './keys.ts'
import { manifestSchema } from './manifest.ts'

const schedule = '17 3 * * *'
const at = (text: string): number => Date.parse(text) / 1000
const made = at('2026-03-01T03:17:00Z')
const facts = { lastGood: { createdAt: made, digest: 'a' }, failedAt: undefined, digest: 'a' }

suite('what a backup is', () => {
  test('no key of the provisioner goes into one, nor what is this machine’s alone', () => {
    for (const path of [
      'secrets/provisioner.key',
      'secrets/provisioner.next.key',
      'secrets/provisioner-0x70997970c51812dc3a010c7d01b50e0d17dc79c8.key',
      'secrets/provisioner.key.passphrase',
      'tls/first-boot.key',
      'tls/challenges/token',
      'tls/Caddyfile',
      'secrets/alerts.json.0123456789abcdef',
      'secrets/.new-1234',
    ]) {
      assert.ok(isLeftOut(path), path)
    }
    for (const path of ['secrets/sign-in/master', 'secrets/deployer.key', 'secrets/authority.key', 'tls/authority/root.pem']) {
      assert.ok(!isLeftOut(path), path)
    }
  })

  test('refuses a manifest whose paths lead out of the folder', () => {
    const good = { path: 'secrets/a', bytes: 1, sha256: '0'.repeat(64), mode: 0o600 }
    const manifest = {
      format: 'freehold-backup',
      version: 1,
      product: '1',
      createdAt: 1,
      origin: 'x',
      installations: [],
      schema: 'x',
      vms: 0,
      links: [],
    }
    assert.ok(manifestSchema.safeParse({ ...manifest, files: [good] }).success)
    for (const path of [
      '../etc/passwd',
      '/etc/passwd',
      'secrets/../../x',
      'secrets/./x',
      'run/x',
      'secrets',
      'freehold.yaml/x',
      'tls//x',
    ]) {
      assert.ok(!manifestSchema.safeParse({ ...manifest, files: [{ ...good, path }] }).success, path)
    }
    assert.ok(!manifestSchema.safeParse({ ...manifest, files: [{ ...good, mode: 0o4755 }] }).success)
    assert.ok(!manifestSchema.safeParse({ ...manifest, files: [], links: [{ path: 'tls/site', target: '../../etc' }] }).success)
  })

  test('is due at first, after a change of secrets, and by the schedule, by level', () => {
    assert.equal(dueBecause({ ...facts, lastGood: undefined }, schedule, made), 'first')
    assert.equal(dueBecause({ ...facts, digest: 'b' }, schedule, made + 1), 'secrets')
    assert.equal(dueBecause(facts, schedule, made + 86_399), undefined)
    assert.equal(dueBecause(facts, schedule, made + 86_400), 'schedule')
    assert.equal(dueBecause(facts, schedule, made + 40 * 86_400), 'schedule', 'missed moments are made up for')
    assert.equal(dueBecause(facts, schedule, made - 60), 'schedule', 'a clock that was set back silences nothing')
    const failed = { ...facts, lastGood: undefined, failedAt: made }
    assert.equal(dueBecause(failed, schedule, made + retrySeconds - 1), undefined)
    assert.equal(dueBecause(failed, schedule, made + retrySeconds), 'first')
  })

  test('has a name that says whose and of when; foreign files have none', () => {
    const name = backupName('0123456789ab', made)
    assert.equal(name, 'freehold-0123456789ab-20260301T031700Z.tar.gz.age')
    assert.deepEqual(parseName(name), { installation: '0123456789ab', createdAt: made })
    assert.deepEqual(parseName(backupName('0123456789ab', made, 2)), { installation: '0123456789ab', createdAt: made })
    for (const other of ['photos.tar.gz.age', `${name}.part`, `../${name}`, name.replace('20260301', '20261399')]) {
      assert.equal(parseName(other), undefined, other)
    }
  })

  test('opens by a recovery key with the comments of its file, or by a passphrase; nothing shorter', () => {
    const identity = `AGE-SECRET-KEY-1${'Q'.repeat(58)}`
    assert.deepEqual(openKeysOf(`# created\n# public key: age1x\n${identity}\n`), { identity })
    assert.deepEqual(openKeysOf('correct horse battery staple'), { passphrase: 'correct horse battery staple' })
    for (const typed of ['', 'short', 'two lines of text\nthat are no key'])
      assert.throws(() => openKeysOf(typed), { code: 'bad-input' })
  })
})
