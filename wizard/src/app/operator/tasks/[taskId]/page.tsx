import type { Metadata } from 'next'
import { pageTitle } from '../../../../i18n/server.ts'
import { TaskPage } from '../../../../operator/TaskPage.tsx'

export const generateMetadata = (): Promise<Metadata> => pageTitle('operator.tasks.task')

export default async function Page({ params }: { params: Promise<{ taskId: string }> }) {
  return <TaskPage taskId={(await params).taskId} />
}
