// Pictures of every page of the wizard in every state it can be in, in both themes, narrow and wide, for people to look at beside
// the models: npm run screenshots:setup -w testing [-- FOLDER [WORD]]. They are compared by nobody's pixel. Never written into the tree.
import { takePictures, wanted } from '../pictures.ts'
import { startFaultFront } from '../stands/fault-front.ts'
import { startWizardStand } from '../stands/wizard-stand.ts'
import { arrange, setupScenes } from './scenes.ts'

const asked = await wanted()
const host = await startWizardStand()
const front = await startFaultFront(host.origin)
try {
  const due = setupScenes().filter(({ name }) => name.includes(asked.word))
  await takePictures(asked, due, async (page, scene) => {
    arrange(front, scene)
    await page.goto('about:blank')
    await page.goto(front.origin + scene.path, { waitUntil: 'domcontentloaded' })
    const main = page.getByRole('main')
    if (asked.locale.startsWith('en')) {
      if (scene.press !== undefined) await main.getByRole('button', { name: scene.press }).click()
      await (scene.shows === null ? main.locator('[aria-busy=true]') : main.getByText(scene.shows)).first().waitFor()
    } else {
      // scenes are told by English words: in other languages a page is taken as it stands once it is filled
      await (scene.state === 'filled' ? main.getByRole('heading', { level: 2 }) : main.getByRole('heading')).first().waitFor()
    }
    return scene.name.replaceAll(/\W+/g, '-')
  })
} finally {
  await front.close()
  await host.stop()
}
