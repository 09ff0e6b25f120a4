import { createServer } from 'node:http'
import { createServer as createSocketServer, type AddressInfo } from 'node:net'
import type { InventedStand } from '@freehold/appliance/dev/invented/invented-stand'
import type { Locator, Page } from '@playwright/test'
import { changing, expect } from './invented-fixture.ts'

/** The real API and store over the fake hypervisor, with an invented year behind it. */
const test = changing.extend<{ errors: string[] }>({
  errors: [
    async ({ page }, use) => {
      const errors: string[] = []
      page.on('pageerror', (error) => errors.push(error.message))
      await use(errors)
      expect(errors).toEqual([])
    },
    { auto: true },
  ],
})

async function open(page: Page, stand: InventedStand, path: string, heading: string | RegExp): Promise<void> {
  await page.goto(stand.origin + path)
  await expect(page.getByRole('heading', { level: 1, name: heading })).toBeVisible()
  await expect(page.locator('main [aria-busy=true]')).toHaveCount(0)
}

test('O2 the first page answers three questions, and each answer leads on', async ({ page, stand }) => {
  await open(page, stand, '/operator', 'Overview')
  for (const question of ['Is anything wrong?', 'Who rents what?', 'What ends soon?'])
    await expect(page.getByRole('heading', { name: question })).toBeVisible()
  await expect(page.getByText('4 issues stand')).toBeVisible()
  await expect(page.getByText('64 VMs')).toBeVisible()
  const soon = page.getByRole('table', { name: 'What ends soon?' })
  await expect(soon.getByRole('row')).not.toHaveCount(1)
  await expect(soon.getByText(/UTC, in \d+ (day|hour)s?/).first()).toBeVisible()
  await page.getByRole('link', { name: 'See the issues' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Issues' })).toBeVisible()
})

test('O4 X5 each issue says what it means and what to do, and leads to where it is set right; none is said too', async ({
  page,
  stand,
}) => {
  await open(page, stand, '/operator/issues', 'Issues')
  const missing = page.getByRole('listitem').filter({ hasText: 'A paid VM is missing' })
  await expect(missing).toContainText('What to do: Bring its storage back')
  await expect(missing).toContainText('vm-missing')
  await page.getByRole('link', { name: 'Go to Plans on sale' }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Plans on sale' })).toBeVisible()
  const kept = stand.host.issues.splice(0)
  try {
    await open(page, stand, '/operator/issues', 'Issues')
    await expect(page.getByText('Nothing is wrong')).toBeVisible()
  } finally {
    stand.host.issues.push(...kept)
  }
})

test('O4 VMs that wait to be destroyed are named in a plan first, and only those of the plan are let go', async ({
  page,
  stand,
}) => {
  const [some] = stand.host.issues
  if (some === undefined) throw new Error('the invented host has no issue')
  const waiting = (tokenId: number) => ({
    ...some,
    code: 'destroys-waiting',
    subject: `${'ab'.repeat(6)}-${tokenId}`,
    title: 'More VMs ended than may be destroyed in a day',
  })
  const kept = [...stand.host.issues]
  stand.host.issues.push(waiting(9001), waiting(9002))
  try {
    await open(page, stand, '/operator/issues', 'Issues')
    const cards = page.getByRole('listitem').filter({ hasText: 'destroys-waiting' })
    await expect(cards).toHaveCount(2)
    const button = page.getByRole('button', { name: 'Allow the waiting VMs to be destroyed' }).first()
    const plan = page.getByRole('dialog', { name: 'Destroy the VMs that wait?' })
    await button.click()
    await expect(plan).toContainText('These 2 VMs have ended and will be destroyed:')
    for (const name of ['vm-9001', 'vm-9002']) await expect(plan.getByRole('link', { name, exact: true })).toBeVisible()
    await expect(plan).toContainText('This cannot be undone.')
    // looking at the plan does nothing
    await plan.getByRole('button', { name: 'Let them wait' }).click()
    await expect(plan).toHaveCount(0)
    expect(stand.host.issues).toHaveLength(kept.length + 2)
    await button.click()
    await expect(plan).toBeVisible()
    // one that comes to wait while the plan is read is not in it
    stand.host.issues.push(waiting(9003))
    await plan.getByRole('button', { name: 'Destroy them' }).click()
    await expect(page.getByText('2 VMs may be destroyed.')).toBeVisible()
    await expect(plan).toHaveCount(0)
    await expect(cards).toHaveCount(1)
    await expect(cards).toContainText('vm-9003')
    await open(page, stand, '/operator/audit', 'Audit trail')
    await expect(page.getByRole('row').filter({ hasText: 'fix destroys-waiting' })).toContainText('2 VMs may be destroyed.')
  } finally {
    stand.host.issues.splice(0, stand.host.issues.length, ...kept)
  }
})

test('X10 the list of VMs is found by text and state, and the address is what is shown', async ({ page, stand }) => {
  await open(page, stand, '/operator/vms', 'VMs')
  await expect(page.getByText('64 VMs')).toBeVisible()
  await page.getByLabel('State').selectOption('missing')
  await expect(page.getByText('1 VM', { exact: true })).toBeVisible()
  await expect(page).toHaveURL(/state=missing/)
  await page.reload()
  await expect(page.getByLabel('State')).toHaveValue('missing')
  await expect(page.getByText('1 VM', { exact: true })).toBeVisible()
  await page.getByLabel('Search').fill('nowhere at all')
  await page.getByRole('button', { name: 'Show all of them' }).click()
  await expect(page.getByText('64 VMs')).toBeVisible()
  await page.getByRole('button', { name: 'Next page' }).click()
  await expect(page.getByText('Page 2 of 3')).toBeVisible()
})

test('X7 X13 a task shows its steps and its log as it is written, and tells its end', async ({ page, stand }) => {
  await open(page, stand, '/operator/tasks', 'Tasks')
  const failed = page.getByRole('row').filter({ hasText: 'Failed' })
  await failed.getByRole('link').click()
  await expect(page.getByRole('heading', { level: 1, name: 'Task' })).toBeVisible()
  await expect(page.getByText('storage-full')).toBeVisible()
  const log = page.getByRole('group', { name: 'Log' })
  await expect(log).toContainText('less than 10 % free space')
  expect(await log.evaluate((e) => e.closest('[aria-live]') === null), 'logs are not read out').toBe(true)
  const download = page.waitForEvent('download')
  await page.getByRole('link', { name: 'Download the log' }).click()
  expect((await download).suggestedFilename()).toMatch(/\.log$/)
})

test('X7 X17 a running task is followed as it is written, also after a reload; a log that is scrolled back stays where it is', async ({
  page,
  stand,
}) => {
  const { store, events } = stand.host
  const [task] = await store.tasks.unfinished()
  if (task === undefined) throw new Error('no task of this host is running')
  const { taskId } = task
  const write = async (line: string) => {
    await store.tasks.appendLog(taskId, line)
    events.emit({ type: 'log', taskId, at: task.createdAt, line })
  }
  try {
    await open(page, stand, `/operator/tasks/${taskId}`, 'Task')
    const log = page.getByRole('group', { name: 'Log' })
    const state = page
      .getByRole('main')
      .getByRole('status')
      .filter({ hasText: /Running$|Done$/ })
    await expect(state).toContainText('Running')
    await expect(log).toContainText('the guest has begun')
    for (let i = 0; i < 60; i++) await write(`line ${i}`)
    await expect(log).toContainText('line 59')
    const below = () => log.evaluate((e) => e.scrollHeight - e.scrollTop - e.clientHeight)
    await expect.poll(below, { message: 'it follows' }).toBeLessThan(8)
    await log.evaluate((e) => (e.scrollTop = 0))
    await expect(page.getByRole('button', { name: 'Follow the newest lines' })).toBeVisible()
    await write('written meanwhile')
    await expect(log).toContainText('written meanwhile')
    expect(await log.evaluate((e) => e.scrollTop), 'it stays where it was scrolled to').toBe(0)
    await page.getByRole('button', { name: 'Follow the newest lines' }).click()
    await expect.poll(below).toBeLessThan(8)
    await page.reload()
    await expect(log).toContainText('the disk stands upon template')
    await expect(log).toContainText('written meanwhile')
    await expect(state).toContainText('Running')
    events.emit({ type: 'task', task: { ...task, state: 'done', endedAt: task.createdAt + 60 } })
    await expect(state).toContainText('Done')
  } finally {
    await store.tasks.put(task)
  }
})

test('O1 the audit trail is filtered by target, and comes whole as JSON lines', async ({ page, stand }) => {
  await open(page, stand, '/operator/audit', 'Audit trail')
  const rows = page.getByRole('table', { name: 'Audit trail' }).getByRole('row')
  await expect(rows).not.toHaveCount(1)
  const file = page.waitForEvent('download')
  await page.getByRole('link', { name: 'Export as JSON lines' }).click()
  const text = await (await (await file).createReadStream()).toArray()
  const lines = Buffer.concat(text as Buffer[])
    .toString()
    .trimEnd()
    .split('\n')
  expect(lines.length).toBeGreaterThan(100)
  const [first] = lines.map((line) => JSON.parse(line) as { target: string; transactionHash: string | null })
  await page.getByLabel('Target').fill(first?.target ?? '')
  await page.getByRole('button', { name: 'Show', exact: true }).click()
  await expect(page).toHaveURL(/target=/)
  await expect(rows.filter({ hasText: first?.target ?? '' })).not.toHaveCount(0)
  await page.getByLabel('Target').fill('nobody')
  await page.getByRole('button', { name: 'Show', exact: true }).click()
  await expect(page.getByText('Nothing in the audit trail fits.')).toBeVisible()
})

test('X21 money is exact, and every movement leads to its transaction', async ({ page, stand }) => {
  await open(page, stand, '/operator/money', 'Money')
  const entries = page.getByRole('table', { name: 'Every movement' })
  await expect(entries.getByText(/^0\.\d+\sETH$/).first()).toBeVisible()
  const rows = await entries.getByRole('row').count()
  for (const row of (await entries.getByRole('row').all()).slice(1))
    await expect(row.getByRole('link', { name: /^0x/ })).toHaveCount(1)
  await page.getByRole('button', { name: 'Show older ones' }).click()
  await expect(async () => expect(await entries.getByRole('row').count()).toBeGreaterThan(rows)).toPass()
  await entries.getByRole('link', { name: /^0x/ }).first().click()
  await expect(page.getByRole('heading', { level: 1, name: 'Transaction' })).toBeVisible()
  await expect(page.getByText('It worked')).toBeVisible()
})

/** An amount as the page writes it, in the smallest unit of a coin with 18 decimals. */
function units(text: string | null): bigint {
  const [whole = '', fraction = ''] = (/[\d.]+/.exec((text ?? '').replaceAll(',', ''))?.[0] ?? '').split('.')
  return BigInt(whole + fraction.padEnd(18, '0'))
}

/** Sums one column over all rows of a table but its head. */
async function sum(rows: Locator, column: number): Promise<bigint> {
  let total = 0n
  for (const row of await rows.all()) total += units(await row.getByRole('cell').nth(column).textContent())
  return total
}

test('X21 each figure of money leads to the movements that it is made of, and those to their transactions', async ({
  page,
  stand,
}) => {
  await open(page, stand, '/operator/money', 'Money')
  const movements = page.getByRole('table', { name: 'Every movement' })
  const rows = movements.getByRole('row').filter({ has: page.getByRole('rowheader') })
  for (const [symbol, label, kinds] of [
    ['ETH', 'Earned, can be collected', ['Earned', 'Collected']],
    ['ETH', 'Earned, not settled yet', ['Bought', 'Extended']],
    ['USDX', 'Held for subscribers', ['Bought', 'Extended']],
    ['ETH', 'Collected so far', ['Collected']],
    ['USDX', 'Collected so far', ['Collected']],
  ] as const) {
    const card = page.locator('section').filter({ has: page.getByRole('heading', { name: symbol, exact: true }) })
    const figure = card
      .locator('dl > div')
      .filter({ hasText: label })
      .getByRole('link', { name: /: show its movements$/ })
    const amount = units(await figure.textContent())
    await figure.click()
    await expect(page).toHaveURL(/\?figure=\w+&token=0x\w+#movements$/)
    await expect(page.getByText(`What this figure is made of: ${label}, ${symbol}.`)).toBeInViewport()
    // the address is the state
    await page.reload()
    await expect(rows.first()).toBeVisible()
    // read at once: asking the browser row by row takes half a minute
    const read = await rows.evaluateAll((all) =>
      all.map((row) => ({
        kind: row.querySelector('th > span:last-of-type')?.textContent.trim() ?? '',
        texts: [...row.querySelectorAll('*')].filter((e) => e.children.length === 0).map((e) => e.textContent.trim()),
        links: [...row.querySelectorAll('a')].map((a) => a.textContent.trim()),
      })),
    )
    for (const { kind, texts, links } of read) {
      expect(kinds).toContain(kind)
      expect(texts.filter((text) => new RegExp(`^[\\d.,]+\\s${symbol}$`).test(text))).toHaveLength(1)
      expect(links.filter((text) => text.startsWith('0x'))).toHaveLength(1)
    }
    if (label === 'Collected so far') {
      expect(await rows.count()).toBe(12)
      expect(await sum(rows, 1)).toBe(amount)
    }
  }
  await rows.first().getByRole('link', { name: /^0x/ }).click()
  await expect(page.getByRole('heading', { level: 1, name: 'Transaction' })).toBeVisible()
  await page.goBack()
  await page.getByRole('link', { name: 'Show every movement' }).click()
  await expect(movements.getByRole('rowheader', { name: 'Bought' }).first()).toBeVisible()
  await expect(page.getByText('What this figure is made of')).toHaveCount(0)
})

test('X21 what the key of the host has left and has spent leads to its transactions, which add up', async ({ page, stand }) => {
  await open(page, stand, '/operator/money', 'Money')
  const table = page.getByRole('table', { name: 'Transactions of this key' })
  const within = table.getByRole('row').filter({ hasText: /, \d+ (hour|minute|second)s? ago/ })
  for (const label of ['Left on it', 'Spent within a day']) {
    const figure = page
      .locator('dl > div')
      .filter({ hasText: label })
      .getByRole('link', { name: /show the transactions of the key$/ })
    await figure.click()
    await expect(page).toHaveURL(/#sent$/)
    await expect(table).toBeInViewport()
    if (label !== 'Spent within a day') continue
    await expect(within).not.toHaveCount(0)
    const spent = units(await figure.textContent())
    expect(spent, 'nothing adds up to nothing anyway').toBeGreaterThan(0n)
    expect(await sum(within, 2)).toBe(spent)
  }
  await table.getByRole('link', { name: /^0x/ }).first().click()
  await expect(page.getByRole('heading', { level: 1, name: 'Transaction' })).toBeVisible()
})

test('X21 fiat stands beside the exact amount as about, only at a rate that the operator entered, with its date', async ({
  page,
  stand,
}) => {
  const price = page.getByRole('article', { name: 'Small' }).getByText(/ETH per day/)
  const about = page.getByText(/^about €/)
  await page.goto(stand.origin)
  await expect(price).toBeVisible()
  await expect(about).toHaveCount(0)
  await open(page, stand, '/operator/settings', 'Settings')
  const one = page.getByRole('group', { name: 'ETH' })
  const save = one.getByRole('button', { name: 'Show ETH in this currency' })
  await expect(save).toHaveAccessibleDescription('Enter a currency and a rate first.')
  await one.getByLabel('Currency for ETH').fill('xxq')
  await one.getByLabel('Worth of one ETH').fill('0')
  await expect(one.getByText('XXQ is no code of a currency.')).toBeVisible()
  await expect(one.getByText('A number above zero is expected')).toBeVisible()
  await one.getByLabel('Currency for ETH').fill('eur')
  await one.getByLabel('Worth of one ETH').fill('3200,50')
  await save.click()
  await expect(one.getByText(/^Shown now: 3200.50 EUR, entered on \d+ \w+ \d{4}$/)).toBeVisible()
  for (const path of ['/', '/plans/0']) {
    await page.goto(stand.origin + path)
    await expect(about.first()).toHaveText(/^about €\d+\.\d\d, at the operator’s rate of \d+ \w+ \d{4}$/)
  }
  // the exact amount stays what it was
  await page.goto(stand.origin)
  await expect(price).toBeVisible()
  await open(page, stand, '/operator/settings', 'Settings')
  await one.getByRole('button', { name: 'Show ETH alone' }).click()
  await expect(one.getByText('Such as 3200 or 0.98')).toBeVisible()
  await page.goto(stand.origin)
  await expect(price).toBeVisible()
  await expect(about).toHaveCount(0)
})

test('O5 open logins are listed with place and age, and each is ended by itself', async ({ page, stand, context }) => {
  const token = await stand.host.sessionToken()
  await open(page, stand, '/operator/sessions', 'Open logins')
  const table = page.getByRole('table', { name: 'Open logins' })
  const before = await table.getByRole('row').count()
  const other = table.getByRole('row').filter({ hasText: '127.0.0.1' }).filter({ hasNotText: 'this browser' }).first()
  await expect(other).toContainText(/ago/)
  await other.getByRole('button', { name: 'End the login from 127.0.0.1' }).click()
  await expect(table.getByRole('row')).toHaveCount(before - 1)
  // the one that was ended is nobody's any more, and this browser still is somebody
  const answer = await context.request.get(`${stand.origin}/v1/overview`, { headers: { cookie: `__Host-freehold=${token}` } })
  expect(answer.status()).toBe(401)
  await open(page, stand, '/operator', 'Overview')
})

test('O10 an alert is set up, its test shows the real reply, and no secret comes back', async ({ page, stand }) => {
  const got: string[] = []
  const server = createServer((request, response) => {
    got.push(request.headers['authorization'] ?? '')
    response.writeHead(got.length === 1 ? 200 : 507).end('topic is full')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await open(page, stand, '/operator/alerts', 'Alerts')
    await expect(page.getByText('Nobody is told')).toBeVisible()
    await page.getByRole('button', { name: 'Add ntfy' }).click()
    await expect(page.getByRole('button', { name: 'Send a test to ntfy' })).toHaveAttribute('aria-disabled', 'true')
    await expect(page.getByText('Save the changes first.')).toBeVisible()
    await page.getByLabel('Address').fill('nonsense')
    await page.getByLabel('Access token').fill('tk_secret')
    await page.getByRole('button', { name: 'Save the alerts' }).click()
    await expect(page.getByRole('alert').filter({ hasText: '/channels/0/url' })).toBeFocused()
    await page.getByLabel('Address').fill(`http://127.0.0.1:${(server.address() as AddressInfo).port}/host`)
    await page.getByRole('button', { name: 'Save the alerts' }).click()
    await expect(page.getByText('Saved. Send a test')).toBeVisible()
    await page.getByRole('button', { name: 'Send a test to ntfy' }).click()
    await expect(page.getByText('200 OK topic is full')).toBeVisible()
    await page.getByRole('button', { name: 'Send a test to ntfy' }).click()
    await expect(page.getByText('507 Insufficient Storage topic is full')).toBeVisible()
    expect(got).toEqual(['Bearer tk_secret', 'Bearer tk_secret'])
    await page.reload()
    await expect(page.getByLabel('Access token')).toHaveValue('')
    await page.getByRole('button', { name: 'Remove ntfy' }).click()
    await page.getByRole('button', { name: 'Save the alerts' }).click()
    await expect(page.getByText('Nobody is told')).toBeVisible()
  } finally {
    server.close()
  }
})

test('O10 a webhook and mail are set up, and the test of each shows the real reply', async ({ page, stand }) => {
  const posts: string[] = []
  const web = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      posts.push(body)
      response.writeHead(200).end('thank you')
    })
  })
  const mails: string[] = []
  const mail = createSocketServer((socket) => {
    let text = ''
    let inMail = false
    const say = (line: string) => socket.write(`${line}\r\n`)
    socket.on('error', () => undefined)
    say('220 stand ESMTP')
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      for (let end = text.indexOf(inMail ? '\r\n.\r\n' : '\r\n'); end >= 0; end = text.indexOf(inMail ? '\r\n.\r\n' : '\r\n')) {
        const said = text.slice(0, end)
        text = text.slice(end + (inMail ? 5 : 2))
        if (inMail) {
          mails.push(said)
          inMail = false
          say('250 2.0.0 Ok: queued as 4711')
        } else if (said === 'DATA') {
          inMail = true
          say('354 go on')
        } else if (said === 'QUIT') socket.end('221 bye\r\n')
        else say('250 ok')
      }
    })
  })
  const ports = await Promise.all(
    [web, mail].map(async (server) => {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      return (server.address() as AddressInfo).port
    }),
  )
  try {
    await open(page, stand, '/operator/alerts', 'Alerts')
    await page.getByRole('button', { name: 'Add a webhook' }).click()
    await page.getByLabel('Address').fill(`http://127.0.0.1:${ports[0]}/hook`)
    await page.getByRole('button', { name: 'Add mail' }).click()
    await page.getByLabel('Mail server').fill('127.0.0.1')
    await page.getByLabel('Port').fill(String(ports[1]))
    await page.getByLabel('Sender').fill('host@example.org')
    await page.getByLabel('Recipient').fill('operator@example.org')
    await page.getByLabel('Encryption').selectOption({ label: 'None, on this host only' })
    await page.getByRole('button', { name: 'Save the alerts' }).click()
    await expect(page.getByText('Saved. Send a test')).toBeVisible()
    await page.getByRole('button', { name: 'Send a test to webhook' }).click()
    await expect(page.getByText('200 OK thank you')).toBeVisible()
    expect(posts).toHaveLength(1)
    await page.getByRole('button', { name: 'Send a test to mail' }).click()
    await expect(page.getByText('queued as 4711')).toBeVisible()
    expect(mails).toHaveLength(1)
    expect(mails[0]).toContain('operator@example.org')
  } finally {
    const emptied = await page.request.put(`${stand.origin}/v1/alerts`, {
      data: { channels: [] },
      headers: { origin: stand.origin },
    })
    expect(emptied.status()).toBe(200)
    web.close()
    mail.close()
  }
})

test('O3 X8 the operator stops a VM and is told why the rest is not theirs', async ({ page, stand }) => {
  // one that another holds
  await open(page, stand, '/operator/vms?state=running&q=small', 'VMs')
  const mine = '0x5eed'
  const row = page.getByRole('row').filter({ hasText: 'Running' }).filter({ hasNotText: mine }).first()
  await row.getByRole('link').click()
  await expect(page.getByRole('heading', { name: 'Actions' })).toBeVisible()
  await expect(page.getByRole('button', { name: 'Reinstall' })).toHaveAttribute('aria-disabled', 'true')
  await expect(page.getByText('Only the holder of the access pass can ask for reinstall.')).toBeVisible()
  await expect(page.getByRole('button', { name: 'Start', exact: true })).toHaveAccessibleDescription(/only for stopped VMs/)
  await page.getByRole('button', { name: 'Stop', exact: true }).click()
  await expect(page.getByText('Stop has begun.')).toBeVisible()
  await expect(page.getByText('Stopped', { exact: true })).toBeVisible()
})

test('O11 the operator is led to the VM’s page in the hypervisor’s own interface, where it has one', async ({ page, stand }) => {
  const own = 'https://192.0.2.7:8006/#v1:0:=qemu%2F10001'
  const link = page.getByRole('link', { name: 'Open it in the hypervisor’s own pages' })
  await open(page, stand, '/operator/vms?state=running', 'VMs')
  await page.getByRole('row').filter({ hasText: 'Running' }).first().getByRole('link').click()
  await expect(page.getByRole('heading', { name: 'Actions' })).toBeVisible()
  // the invented host has none
  await expect(link).toBeHidden()
  await page.route(/\/v1\/vms\/[^/?]+$/, async (route) => {
    const answer = await route.fetch()
    await route.fulfill({ response: answer, json: { ...((await answer.json()) as object), hypervisorPage: own } })
  })
  await expect(link).toHaveAttribute('href', own)
  await expect(link).toHaveAttribute('rel', 'noreferrer')
})

test('X15 what a VM uses is told by lines, by words below them, and by a table', async ({ page, stand }) => {
  await open(page, stand, '/operator/vms?state=running', 'VMs')
  await page.getByRole('row').filter({ hasText: 'Running' }).first().getByRole('link').click()
  await expect(page.getByRole('figure', { name: 'Memory, MiB' })).toContainText(/Now [\d,.]+, between/, { timeout: 30_000 })
  await expect(page.getByRole('table', { name: 'The newest numbers' }).getByRole('row')).not.toHaveCount(1)
})

test('the API reference lists every call of the document, and finds one', async ({ page, stand }) => {
  await open(page, stand, '/operator/api', 'API')
  await page.getByLabel('Search').fill('/v1/overview')
  await expect(page.getByText('1 call', { exact: true })).toBeVisible()
  await page.getByText('GET /v1/overview').first().click()
  await expect(page.getByRole('group', { name: 'Answers' }).first()).toBeVisible()
})

// ten seconds; in every run store.e2e.ts has it, on the same frame
if (process.env['FREEHOLD_ALL'] === '1') {
  test('X6 a lost link keeps the overview with its time, and it comes back by itself', async ({ page, stand }) => {
    await open(page, stand, '/operator', 'Overview')
    stand.fail('/v1/', 'down')
    try {
      await expect(page.getByText('No link to this host')).toBeVisible({ timeout: 30_000 })
      await expect(page.getByText('64 VMs')).toBeVisible()
    } finally {
      stand.fail('/v1/', undefined)
    }
    await expect(page.getByText('No link to this host')).toHaveCount(0, { timeout: 30_000 })
  })
}

test('X2 X3 an API that answers 500 shows what happened in place of the data, with code and request id', async ({
  page,
  stand,
}) => {
  stand.fail('/v1/rentals', 'internal')
  try {
    await page.goto(`${stand.origin}/operator/vms`)
    const alert = page.getByRole('alert').filter({ hasText: 'internal' })
    await expect(alert).toContainText('It was told to fail.')
    await expect(alert).toContainText('request front')
    await expect(alert.getByRole('button', { name: 'Copy details' })).toBeVisible()
  } finally {
    stand.fail('/v1/rentals', undefined)
  }
})

test('X4 an API that hangs shows the skeleton of the page, and the page comes as soon as it answers', async ({ page, stand }) => {
  stand.fail('/v1/money', 'hang')
  try {
    await page.goto(`${stand.origin}/operator/money`)
    await expect(page.locator('main [aria-busy=true]')).toBeVisible()
  } finally {
    stand.fail('/v1/money', undefined)
  }
  await page.reload()
  await expect(page.getByRole('heading', { name: 'Every movement' })).toBeVisible()
})
