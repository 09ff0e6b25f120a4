import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { suite, test, type TestContext } from 'node:test'

const program = resolve(import.meta.dirname, '../../bin/freehold')
const owner = '0x00000000000000000000000000000000000000Aa'

function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((done) => {
    execFile(program, args, { timeout: 60_000 }, (error, out, err) =>
      done({ code: error === null ? 0 : Number(error.code), out, err }),
    )
  })
}

async function installation(t: TestContext, files: Record<string, string>): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'fh-import-'))
  t.after(() => rm(root, { recursive: true }))
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, name)), { recursive: true })
    await writeFile(join(root, name), text)
  }
  return root
}

const one = { vm_name: 'blockhost-001', vmid: 101, status: 'active', owner, expires_at: '2027-01-01T00:00:00', nft_token_id: 3 }
const other = { vm_name: 'blockhost-002\u001b[2J\n', vmid: 102, status: 'destroyed' }
const files = {
  'etc/blockhost/db.yaml':
    'vmid_range: {start: 100, end: 999}\nstorage_pool: local-lvm\ndb_file: /var/lib/blockhost/vm-db.json\n',
  'var/lib/blockhost/vm-db.json': JSON.stringify([one, other]),
}

suite('freehold import', () => {
  test('denies a folder that has no list, with what to do, and a list that is none', async (t) => {
    const empty = await run('import', await installation(t, { x: '' }))
    assert.equal(empty.code, 2)
    assert.equal(empty.out, '')
    assert.match(empty.err, /vms\.json nor var\/lib\/blockhost\/vm-db\.json[\s\S]*Name the folder[\s\S]*config-unreadable/)
    const broken = await run('import', await installation(t, { ...files, 'var/lib/blockhost/vm-db.json': '{' }))
    assert.notEqual(broken.code, 0)
    assert.match(broken.err, /not in a form that is known/)
  })

  test('denies to do without a folder', async () => {
    const none = await run('import')
    assert.equal(none.code, 2)
    assert.match(none.err, /missing required argument 'folder'/)
  })

  test('shows what would be adopted and why the rest is left, one line each, and says that nothing was changed', async (t) => {
    const root = await installation(t, files)
    const before = await readdir(root, { recursive: true })
    const { code, out, err } = await run('import', root)
    assert.equal(code, 0, err)
    const [head = '', ...rows] = out.trimEnd().split('\n')
    assert.match(head, /^VM\s+ID\s+OWNER\s+EXPIRES\s+WOULD BE\s+BECAUSE$/)
    assert.equal(rows.length, 2)
    assert.match(
      rows[0] ?? '',
      new RegExp(`^blockhost-001\\s+101\\s+${owner}\\s+2027-01-01T00:00:00\\s+adopted\\s+the holder of pass 3`),
    )
    assert.match(rows[1] ?? '', /^blockhost-002\?\[2J\?\s+102\s+-\s+-\s+left\s+it is destroyed$/)
    assert.match(
      err,
      /list: var\/lib\/blockhost\/vm-db\.json[\s\S]*storage: local-lvm[\s\S]*only the chain counts[\s\S]*Nothing was changed/,
    )
    assert.deepEqual(await readdir(root, { recursive: true }), before)
  })

  test('the same for programs', async (t) => {
    const { code, out } = await run('--json', 'import', await installation(t, files))
    assert.equal(code, 0)
    const plan = JSON.parse(out) as { list: string; vmids: object; vms: { verdict: string }[] }
    assert.deepEqual([plan.list, plan.vmids], ['var/lib/blockhost/vm-db.json', { from: 100, to: 999 }])
    assert.deepEqual(
      plan.vms.map((vm) => vm.verdict),
      ['adopt', 'leave'],
    )
  })
})
