import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { Wallet } from 'ethers'
import { sentinelFolder } from '../backup/played-backups.ts'
import { holder } from '../sign-in/test-stand.ts'
import type { Address } from '../chain/subscription.ts'
import { backupSchema, backupsSchema } from './schemas/backups.ts'
import { apiStand, type ApiStand, type TestClient } from './test-stand.ts'

const wallet = Wallet.createRandom()

suite('the operator’s backups', () => {
  let stand: ApiStand
  let operator: TestClient
  let subscriber: TestClient
  let name = ''
  const routes = (): [string, string][] => [
    ['GET', '/v1/backups'],
    ['POST', '/v1/backups'],
    ['POST', `/v1/backups/${name}/verify`],
    ['GET', `/v1/backups/${name}/file`],
  ]
  const acting = { body: {} }

  before(async () => {
    stand = await apiStand()
    await stand.refresh()
    const [first] = stand.facts.contracts
    assert.ok(first)
    const mine = wallet.address.toLowerCase() as Address
    await stand.refresh({
      contracts: [{ giving: { ...first.giving, operator: mine }, latest: { ...first.latest, operator: mine } }],
    })
    operator = await stand.signedIn(wallet as unknown as Wallet)
    subscriber = await stand.signedIn(holder)
    name = (await stand.backups.state()).backups[0]?.name ?? ''
  })
  after(() => stand.close())

  test('denies each of them to a subscriber and to a stranger, and nothing is made or handed out', async () => {
    const { length } = stand.backups.world.backups
    for (const [method, path] of routes()) {
      assert.equal((await subscriber.call(method, path, method === 'POST' ? acting : {})).status, 403, path)
      const refused = await stand.client().call(method, path, method === 'POST' ? acting : {})
      assert.equal(refused.status, 401, path)
      assert.doesNotMatch(refused.text, /invented backup/)
    }
    assert.equal(stand.backups.world.backups.length, length)
  })

  test('denies a name that is no backup: 404, and 400 for one that is no name', async () => {
    for (const wrong of ['..%2f..%2ffreehold.db', 'freehold.db', `${name}x`]) {
      assert.equal((await operator.call('GET', `/v1/backups/${wrong}/file`)).status, 404, wrong)
      assert.equal((await operator.call('POST', `/v1/backups/${wrong}/verify`, acting)).status, 404, wrong)
    }
    assert.equal((await operator.call('GET', `/v1/backups/${'x'.repeat(150)}/file`)).status, 400)
  })

  test('O1 O7 the operator sees them, makes one, has it read back, and takes the sealed file; each act is in the audit trail', async () => {
    const state = backupsSchema.parse((await operator.call('GET', '/v1/backups')).body)
    assert.equal(state.backups.length, 2)
    stand.clock.advance(5)
    const made = backupSchema.parse((await operator.call('POST', '/v1/backups', acting)).body)
    assert.equal(made.found, 'good')
    const read = await operator.call('POST', `/v1/backups/${made.name}/verify`, acting)
    assert.equal(backupSchema.parse(read.body).found, 'good')
    const file = await operator.call('GET', `/v1/backups/${made.name}/file`)
    assert.equal(file.status, 200)
    assert.equal(file.headers['content-disposition'], `attachment; filename="${made.name}"`)
    assert.match(file.text, /invented backup/)
    const trail = (await stand.store.audit.list()).items.map(({ what, target }) => `${what} ${target}`)
    assert.deepEqual(trail.slice(0, 3), [
      `backup handed out ${made.name}`,
      `backup read back ${made.name}`,
      `backup ${made.name}`,
    ])
  })

  test('a backup that fails is a problem with words, and is noted', async () => {
    const { folder } = stand.backups.world
    stand.backups.world.folder = sentinelFolder
    const failed = await operator.call('POST', '/v1/backups', acting)
    stand.backups.world.folder = folder
    assert.deepEqual([failed.status, failed.body['code']], [503, 'backup-folder-missing'])
    assert.equal((await stand.store.audit.list()).items[0]?.result, 'backup-folder-missing')
  })
})
