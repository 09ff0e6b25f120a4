import type { Metadata } from 'next'
import { pageTitle } from '../../../i18n/server.ts'
import { TasksPage } from '../../../operator/TasksPage.tsx'

export const generateMetadata = (): Promise<Metadata> => pageTitle('operator.nav.tasks')

export default function Page() {
  return <TasksPage />
}
