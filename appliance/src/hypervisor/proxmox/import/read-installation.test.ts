import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test, type TestContext } from 'node:test'
import { AppError } from '../../../errors/app-error.ts'
import { readInstallation } from './read-installation.ts'

const owner = '0x00000000000000000000000000000000000000Aa'

async function installation(t: TestContext, files: Record<string, string>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'import-'))
  t.after(() => rm(root, { recursive: true }))
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(root, name, '..'), { recursive: true })
    await writeFile(join(root, name), text)
  }
  return root
}

const db = 'vmid_range: {start: 100, end: 999}\nbridge: vmbr0\nstorage_pool: local-lvm\ngc_grace_days: 7\n'
const web3 = 'chain_id: 11155111\nsubscription_contract: "0x01"\n'
const vm = (more: object) => ({
  vm_name: 'blockhost-001',
  vmid: 101,
  status: 'active',
  owner,
  expires_at: '2027-01-01T00:00:00',
  nft_token_id: 3,
  ...more,
})

suite('import of an existing installation, read only', () => {
  test('denies a folder without a list of VMs, and one in an unknown form', async (t) => {
    await assert.rejects(readInstallation(await installation(t, { 'etc/blockhost/db.yaml': db })), { code: 'config-unreadable' })
    for (const text of ['not json', '[1]', '{"vms": 3}']) {
      await assert.rejects(readInstallation(await installation(t, { 'var/lib/blockhost/vms.json': text })), {
        code: 'config-unreadable',
      })
    }
  })

  test('denies a list that leads out of the folder', async (t) => {
    const elsewhere = await installation(t, { 'secret.json': JSON.stringify([vm({})]) })
    const root = await installation(t, {
      'etc/blockhost/db.yaml': 'db_file: /var/lib/blockhost/list.json\n',
      'var/lib/blockhost/x': '',
    })
    await symlink(join(elsewhere, 'secret.json'), join(root, 'var/lib/blockhost/list.json'))
    await assert.rejects(readInstallation(root), (error) => {
      assert.ok(error instanceof AppError && error.code === 'config-unreadable', String(error))
      assert.match(error.detail, /^var\/lib\/blockhost\/list.json leads out of this folder/)
      return true
    })
    // dots lead nowhere either: the path begins anew at the folder
    const dotted = await installation(t, { 'etc/blockhost/db.yaml': 'db_file: ../../../../../../secret.json\n' })
    await assert.rejects(readInstallation(dotted), { code: 'config-unreadable' })
  })

  test('reads the list that db_file names, before the usual ones, and tells of the others', async (t) => {
    const list = (name: string) => JSON.stringify([vm({ vm_name: name })])
    for (const [named, at] of [
      ['/srv/bh/list.json', 'srv/bh/list.json'],
      ['list.json', 'var/lib/blockhost/list.json'],
      ['/var/lib/blockhost/vm-db.json', 'var/lib/blockhost/vm-db.json'],
    ] as const) {
      const root = await installation(t, {
        'etc/blockhost/db.yaml': `db_file: ${named}\n`,
        'var/lib/blockhost/vms.json': list('usual'),
        [at]: list('named'),
      })
      const plan = await readInstallation(root)
      assert.deepEqual([plan.list, plan.vms[0]?.name], [at, 'named'])
      assert.ok(plan.notes.some((note) => note.includes(`Only ${at} was read. There is also var/lib/blockhost/vms.json`)))
    }
    const missing = await installation(t, {
      'etc/blockhost/db.yaml': 'db_file: /srv/gone.json\n',
      'var/lib/blockhost/vms.json': list('usual'),
    })
    assert.equal((await readInstallation(missing)).vms[0]?.name, 'usual')
  })

  test('tells whose host it was, and nothing of its keys', async (t) => {
    const root = await installation(t, {
      'etc/blockhost/blockhost.yaml': `provisioner: proxmox\npublic_secret: hush\nserver_public_key: key1\nadmin: {wallet_address: '${owner}'}\n`,
      'etc/blockhost/broker-allocation.json': '{"prefix": "2001:db8::/120", "private_key": "hush", "dns_zone": "x.example"}',
      'var/lib/blockhost/vms.json': JSON.stringify([vm({})]),
    })
    const plan = await readInstallation(root)
    assert.deepEqual([plan.provisioner, plan.admin, plan.prefix], ['proxmox', owner, '2001:db8::/120'])
    assert.ok(!/hush|key1/.test(JSON.stringify(plan)))
  })

  test('leaves two VMs with one id, and two with one pass; one that is destroyed counts for nothing', async (t) => {
    const verdicts = async (...vms: object[]) => {
      const root = await installation(t, {
        'var/lib/blockhost/vms.json': JSON.stringify(vms.map((one, i) => vm({ vm_name: `v${i}`, ...one }))),
      })
      return (await readInstallation(root)).vms.map((one) => `${one.verdict} ${one.because}`.slice(0, 36))
    }
    assert.deepEqual(await verdicts({}, { nft_token_id: 4 }), Array(2).fill('leave another VM of the list has its'))
    assert.deepEqual(await verdicts({}, { vmid: 102, nft_token_id: '3' }), Array(2).fill('leave another VM of the list has its'))
    assert.deepEqual(
      (await verdicts({}, { status: 'destroyed' })).map((text) => text.split(' ')[0]),
      ['adopt', 'leave'],
    )
  })

  const left: Record<string, object> = {
    'a destroyed VM': { status: 'destroyed' },
    'a VM without an id': { vmid: undefined },
    'a VM outside of the range': { vmid: 5000 },
    'a VM without an owner': { owner: null },
    'an owner that is no address': { owner: 'bob' },
    'a VM without a pass': { nft_token_id: null },
  }
  for (const [name, more] of Object.entries(left)) {
    test(`leaves ${name}`, async (t) => {
      const root = await installation(t, {
        'etc/blockhost/db.yaml': db,
        'var/lib/blockhost/vms.json': JSON.stringify([vm(more)]),
      })
      assert.equal((await readInstallation(root)).vms[0]?.verdict, 'leave')
    })
  }

  test('adopts a VM that is alive, owned and has its pass; a map by name or a list, and changes nothing', async (t) => {
    const { vm_name: _, ...rest } = vm({})
    for (const text of [JSON.stringify({ vms: { 'blockhost-001': rest } }), JSON.stringify([vm({})])]) {
      const root = await installation(t, {
        'etc/blockhost/db.yaml': db,
        'etc/blockhost/web3-defaults.yaml': web3,
        'etc/blockhost/server.key': 'secret',
        'var/lib/blockhost/vm-db.json': text,
      })
      const before = await fingerprint(root)
      const plan = await readInstallation(root)
      assert.deepEqual([plan.chainId, plan.contract, plan.bridge, plan.storage], [11_155_111, '0x01', 'vmbr0', 'local-lvm'])
      assert.deepEqual(plan.vmids, { from: 100, to: 999 })
      assert.deepEqual([plan.vms[0]?.verdict, plan.vms[0]?.owner], ['adopt', owner])
      assert.ok(!JSON.stringify(plan).includes('secret'))
      assert.equal(await fingerprint(root), before)
    }
  })
})

async function fingerprint(root: string): Promise<string> {
  const names = (await readdir(root, { recursive: true })).toSorted()
  const parts = await Promise.all(
    names.map(async (name) =>
      (await stat(join(root, name))).isFile() ? `${name}:${await readFile(join(root, name), 'utf8')}` : name,
    ),
  )
  return parts.join('\n')
}
