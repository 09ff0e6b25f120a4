// Run by store.int.test.ts: `hang` commits 50 rows and stays in an open transaction; another word writes 40 rows of that name.
import { systemClock } from '../clock/clock.ts'
import { openDatabase } from './database.ts'

const [path = '', mode = ''] = process.argv.slice(2)
const db = await openDatabase(path, systemClock)
if (mode === 'hang') {
  await db.queries.setting.createMany({ data: Array.from({ length: 50 }, (_, i) => ({ key: `committed ${i}`, value: '' })) })
  await db.transaction(async (queries) => {
    for (let i = 0; i < 20; i += 1) await queries.setting.create({ data: { key: `open ${i}`, value: '' } })
    process.stdout.write('open')
    // until the kill; the timer keeps the process alive
    await systemClock.wait(600_000)
  })
} else {
  for (let i = 0; i < 40; i += 1) {
    await db.transaction((queries) => queries.setting.create({ data: { key: `${mode} ${i}`, value: '' } }))
  }
  await db.close()
  process.stdout.write('done')
}
