import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { join } from 'node:path'
import { z } from 'zod'
import { leftOut } from './left-out.ts'
import { openStand, type Stand } from './stand.ts'

const schema = z.object({
  records: z.array(
    z.object({
      part: z.string(),
      note: z.string().optional(),
      request: z.object({
        method: z.string(),
        path: z.string(),
        params: z.record(z.string(), z.unknown()).optional(),
        encoding: z.string().optional(),
        auth: z.string().optional(),
      }),
      response: z
        .object({ status: z.number(), reason: z.string(), contentType: z.string().optional(), body: z.unknown() })
        .optional(),
      error: z.string().optional(),
    }),
  ),
})
/** One recorded exchange. */
export type PveRecord = z.output<typeof schema>['records'][number]

export const records: readonly PveRecord[] = schema.parse(
  JSON.parse(readFileSync(join(import.meta.dirname, 'data/recordings.json'), 'utf8')),
).records

/** What became of one record. */
export type Outcome = { index: number; name: string } & (
  | { kind: 'matched' }
  | { kind: 'left out'; because: string }
  | { kind: 'differs'; recorded: string; played: string }
)

interface Played {
  status: number
  reason: string
  body: unknown
  error: string | undefined
}

/** Records that were sent while others ran: nothing is waited for before them. */
const concurrent = new Set([296, 297, 301, 302, 304, 305, 313, 314, 315, 384, 385])
/** Of the three creates at once the second was served first. */
const inOrder = records.map((_, i) => (i === 295 ? 296 : i === 296 ? 295 : i))
/** What changed on the recorded server without a record, before the record of that number. */
const unrecorded: Record<number, (stand: Stand, upids: Map<string, string>) => void> = {
  0: ({ world }) => {
    world.newVm('pve1', 100, { name: 'first', memory: '512' })
    world.hostFiles.set('/root/guest.raw', 1300 * 2 ** 20 + 100 * 2 ** 20)
  },
  // pvestatd had not yet looked at the new VMs
  125: ({ world }) => (world.statLagMs = Number.POSITIVE_INFINITY),
  // the host of the recordings got its programs one after the other
  176: ({ world }) => void world.lacks.add('sendmail'),
  179: ({ world }) => void world.lacks.delete('sendmail'),
  // by then it had looked at two of them, and the first VM was away
  185: ({ world }) => {
    for (const id of [132, 200]) Object.assign(world.vms.get(id) ?? {}, { bornAtMs: Number.NEGATIVE_INFINITY })
    world.hidden.add(100)
  },
  188: ({ world }) => {
    world.statLagMs = 0
    world.hidden.delete(100)
  },
  243: ({ world }) => void world.lacks.add('termproxy'),
  // the guest was given its address by its kernel's command line
  245: ({ world }) => void world.addresses.set(400, '10.99.0.40/24'),
  269: ({ world }) => void world.lacks.add('qmeventd'),
  273: ({ world }) => world.lacks.clear(),
  // starts that nobody recorded
  341: ({ world }) => {
    for (let i = 0; i < 2; i++) world.startTask('pve1', 'qmstart', '410', 'root@pam', async () => undefined)
  },
  351: ({ world }) => world.silent.add(410),
  354: ({ world }) => world.silent.delete(410),
  418: ({ world }, upids) => {
    const begun = world.startTask('pve1', 'qmdestroy', '433', 'root@pam', async () => undefined)
    upids.set('UPID:pve1:00000DB0:00071695:6B00DC1F:qmdestroy:433:root@pam:', begun)
  },
  199: ({ world }) => world.silent.add(400),
  262: ({ world }) => world.silent.add(400),
  427: ({ world }) => {
    const vm = world.vms.get(442)
    if (vm !== undefined) vm.power = 'stopped'
  },
  // the running VM grew by itself on the way to the record of its size
  244: ({ world }) => world.silent.delete(400),
  259: ({ world }) => world.deaf.add(400),
  300: ({ world }) => world.vms.delete(100),
  301: ({ world }) => world.vms.delete(100),
  320: ({ access }) => void access.addToken('appliance@pve', 'old', { expire: 1_000_000_000, privsep: false }),
  402: ({ world }) =>
    void world.addVolume({
      volid: 'local:import/x.qcow2',
      storage: 'local',
      node: 'pve1',
      content: 'import',
      format: 'qcow2',
      sizeBytes: 2 ** 30,
    }),
}

/** Plays all records in order against a fresh stand-in and compares what the fact sheet says to compare. */
export async function replay(): Promise<Outcome[]> {
  const stand = await openStand()
  try {
    return await new Replay(stand).run()
  } finally {
    await stand.close()
  }
}

class Replay {
  readonly #stand: Stand
  readonly #agent: Agent
  readonly #upids = new Map<string, string>()
  readonly #secrets = new Map<string, string>()
  /** Archives of this run by the recorded ones. */
  readonly #archives = new Map<string, string>()
  #ticket = ''
  #csrf = ''

  constructor(stand: Stand) {
    this.#stand = stand
    this.#agent = new Agent({ ca: stand.authority.pem, servername: 'pve1', keepAlive: false })
  }

  async run(): Promise<Outcome[]> {
    const outcomes: Outcome[] = []
    for (const index of inOrder) {
      const record = records[index]
      if (record === undefined) continue
      unrecorded[index]?.(this.#stand, this.#upids)
      const { method, path } = record.request
      const name = `${method} ${path}`
      const out = leftOut.find(({ what }) => what.test(name))
      if (!concurrent.has(index)) await this.#stand.world.settle()
      const played = await this.#send(index, record)
      this.#learn(record, played)
      if (out !== undefined) {
        outcomes.push({ index, name, kind: 'left out', because: out.because })
        continue
      }
      const [wanted, got] = [
        normalForm(record.response, record.error),
        normalForm(played.error === undefined ? played : undefined, played.error),
      ]
      const [recorded, seen] = [JSON.stringify(cutLike(wanted, wanted)), JSON.stringify(cutLike(got, wanted))]
      if (recorded === seen) outcomes.push({ index, name, kind: 'matched' })
      else outcomes.push({ index, name, kind: 'differs', recorded, played: seen })
    }
    return outcomes
  }

  /** UPIDs, secrets and tickets of this run in place of the recorded ones. */
  #learn(record: PveRecord, played: Played): void {
    const [before, now] = [dataOf(record.response?.body), dataOf(played.body)]
    if (typeof before === 'string' && before.startsWith('UPID:') && typeof now === 'string') this.#upids.set(before, now)
    if (typeof now !== 'object' || now === null) return
    if (Array.isArray(before) && Array.isArray(now) && record.request.params?.['content'] === 'backup') {
      for (const [i, one] of before.entries()) {
        const made = (now[i] as { volid?: string } | undefined)?.volid
        if (made !== undefined) this.#archives.set((one as { volid: string }).volid, made)
      }
    }
    const answer = now as Record<string, unknown>
    if (typeof answer['full-tokenid'] === 'string') this.#secrets.set(answer['full-tokenid'], String(answer['value']))
    if (typeof answer['ticket'] === 'string' && typeof answer['CSRFPreventionToken'] === 'string') {
      this.#ticket = answer['ticket']
      this.#csrf = answer['CSRFPreventionToken']
    }
  }

  #headers(record: PveRecord): Record<string, string> {
    const { note = '', request: asked } = record
    const auth = asked.auth ?? 'none'
    if (auth.startsWith('token ')) {
      const id = auth.slice(6)
      const secret = note.includes('wrong secret') ? '00000000-0000-0000-0000-000000000000' : (this.#secrets.get(id) ?? 'unknown')
      return { authorization: id === 'garbage' ? 'PVEAPIToken=garbage' : `PVEAPIToken=${id}=${secret}` }
    }
    if (!auth.startsWith('ticket')) return {}
    const bad = note === 'invalid ticket' || note === 'garbage cookie'
    const cookie = `PVEAuthCookie=${encodeURIComponent(bad ? 'PVE:root@pam:0::x' : this.#ticket)}`
    if (auth === 'ticket without CSRF' || asked.method === 'GET') return { cookie }
    return { cookie, csrfpreventiontoken: note.includes('bad csrf') ? 'x' : this.#csrf }
  }

  async #send(index: number, record: PveRecord): Promise<Played> {
    const { method, encoding } = record.request
    const params = this.#params(index, record)
    let path = record.request.path
    for (const [before, now] of this.#archives) path = path.replace(encodeURIComponent(before), encodeURIComponent(now))
    for (const [before, now] of this.#upids) path = path.replace(encodeURIComponent(before), encodeURIComponent(now))
    const inQuery = method === 'GET' || method === 'DELETE'
    const form = new URLSearchParams()
    for (const [key, value] of Object.entries(params)) {
      for (const one of Array.isArray(value) ? value : [value]) form.append(key, String(one))
    }
    const headers = this.#headers(record)
    if (record.note === 'header flood') headers['x-flood'] = 'x'.repeat(12_000)
    let body: string | undefined
    if (encoding === 'raw') {
      const content = record.note?.includes('wrong content') === true ? 'snippets' : 'iso'
      headers['content-type'] = 'multipart/form-data; boundary=b'
      body = `--b\r\nContent-Disposition: form-data; name="content"\r\n\r\n${content}\r\n--b\r\nContent-Disposition: form-data; name="filename"; filename="u.iso"\r\n\r\n1234567\r\n--b--\r\n`
    } else if (!inQuery) {
      headers['content-type'] = encoding === 'json' ? 'application/json' : 'application/x-www-form-urlencoded'
      body = encoding === 'json' ? JSON.stringify(params) : form.toString()
    }
    if (body !== undefined) headers['content-length'] = String(Buffer.byteLength(body))
    const query = inQuery && form.size > 0 ? `?${form.toString()}` : ''
    const port = this.#stand.servers.get('pve1')?.port
    const { promise, resolve } = Promise.withResolvers<Played>()
    const asking = request(
      { method, host: '127.0.0.1', port, agent: this.#agent, path: `/api2/json${path}${query}`, headers },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8')
          const reason = Buffer.from(response.statusMessage ?? '', 'latin1').toString('utf8')
          resolve({ status: response.statusCode ?? 0, reason, body: text === '' ? '' : JSON.parse(text), error: undefined })
        })
      },
    )
    asking.on('error', (error: NodeJS.ErrnoException) =>
      resolve({ status: 0, reason: '', body: '', error: error.code ?? error.message }),
    )
    asking.end(body)
    return await promise
  }

  /** A renewal sends the ticket as password; what was cut in the record is as long as its note says. */
  #params(_index: number, record: PveRecord): Record<string, unknown> {
    const params = { ...record.request.params }
    if (typeof params['archive'] === 'string') params['archive'] = this.#archives.get(params['archive']) ?? params['archive']
    if (record.note?.includes('wrong password') === true) params['password'] = 'wrong'
    if (record.note?.includes('renewal') === true) params['password'] = this.#ticket
    if (record.note === 'large body') params['description'] = 'x'.repeat(600 * 1024)
    else if (typeof params['description'] === 'string' && params['description'].startsWith('xxxx'))
      params['description'] = 'x'.repeat(9000)
    return params
  }
}

function dataOf(body: unknown): unknown {
  return typeof body === 'object' && body !== null ? (body as Record<string, unknown>)['data'] : undefined
}

/** Keys whose values are of the moment: only that they are there is compared. */
const volatile = new Set(
  `CSRFPreventionToken ticket value repoid ssl_fingerprint digest smbios1 vmgenid meta ctime starttime endtime snaptime pid pstart upid
  avail total used size cpu mem memhost uptime netin netout diskread diskwrite maxmem disk balloon actual max_mem rd_bytes wr_bytes
  password cert port cgroup-mode blockstat nics n supported_commands time parent time exited exitcode rx-bytes rx-packets tx-bytes tx-packets`.split(
    /\s+/,
  ),
)

/** Texts of the recording host that are no words of the product. Source: `meta.$comment` of the recordings. */
function withoutArtefacts(text: string): string {
  if (/^start failed: (command|QEMU exited)/.test(text)) return 'OK'
  return text
}

function normalText(text: string): string {
  return (
    withoutArtefacts(text.trim())
      .replace(/UPID:([^:]+):[0-9A-F]+:[0-9A-F]+:[0-9A-F]+:/g, 'UPID:$1:…:')
      .replace(/[0-9a-f]{40}/g, '<digest>')
      .replace(/([0-9A-F]{2}:){5}[0-9A-F]{2}/gi, '<mac>')
      .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '<uuid>')
      .replace(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, '<time>')
      .replace(/\d{4}_\d\d_\d\d-\d\d_\d\d_\d\d/g, '<time>')
      .replace(/^CTIME: .*/, 'CTIME: <time>')
      .replace(/^CFG: size: \d+/, 'CFG: size: <n>')
      .replace(/vzdumptmp\d+/g, 'vzdumptmp')
      .replace(/duration \d+ sec/, 'duration <n> sec')
      .replace(/^fe80::[0-9a-f:]+$/, '<link-local>')
      // the options of a job stand in the order of a Perl hash
      .replace(/^(INFO: starting new backup job: \w+ \d+) (.*)/, (_, head: string, options: string) =>
        [head, ...options.split(/ (?=--)/).toSorted()].join(' '),
      )
      .replace(/pveupload-[0-9a-f]+/g, 'pveupload')
      .replace(/ line \d+\.?/g, ' line')
  )
}

/** The form in which record and answer are compared. */
function normalForm(answer: { status: number; reason: string; body: unknown } | undefined, error: string | undefined): unknown {
  if (answer === undefined) return { error }
  return { status: answer.status, reason: normalText(answer.reason), body: normal(answer.body, '') }
}

function normal(value: unknown, key: string): unknown {
  if (volatile.has(key)) return '…'
  if (typeof value === 'string') return normalText(value)
  if (Array.isArray(value)) {
    const all: unknown[] = withoutRuns(value.filter((one) => !isArtefactLine(one)).map((one) => normal(one, '')))
    const id = (one: unknown) =>
      JSON.stringify((one as { id?: unknown } | null)?.id ?? (one as { key?: unknown } | null)?.key ?? '')
    return all.every((one) => id(one) === '""') ? all : all.toSorted((a, b) => id(a).localeCompare(id(b)))
  }
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => a.localeCompare(b))
      .map(([name, inner]) => [name, normal(inner, name)]),
  )
}

/** How often a copy says how far it is depends on its speed: one such line stands for a run of them. */
function withoutRuns(all: readonly unknown[]): unknown[] {
  const isProgress = (one: unknown) => {
    const text = (one as { t?: unknown } | null)?.t
    return typeof text === 'string' && text.startsWith('transferred ')
  }
  return all
    .filter((one, i) => !(isProgress(one) && isProgress(all[i - 1])))
    .map((one) => (isProgress(one) ? 'transferred' : one))
}

function isArtefactLine(line: unknown): boolean {
  const text = (line as { t?: unknown } | null)?.t
  return (
    typeof text === 'string' &&
    /^kvm: |^TASK ERROR: start failed: |^TASK OK$|qmp-event|^trying to acquire lock|^ OK$|ifupdown2|^command 'pvesh/.test(text)
  )
}

/** What the record cut away (`<7 more>`) is cut away in the answer, too. */
function cutLike(value: unknown, record: unknown): unknown {
  if (Array.isArray(value) && Array.isArray(record)) {
    const mark = record.findIndex((one) => typeof one === 'string' && /^<\d+ more>$/.test(one))
    const shown = mark < 0 ? value : value.slice(0, mark)
    return shown.map((one, i) => cutLike(one, (record as unknown[])[i]))
  }
  if (typeof value === 'object' && value !== null && typeof record === 'object' && record !== null && !Array.isArray(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => [key, cutLike(inner, (record as Record<string, unknown>)[key])]),
    )
  }
  return value
}
