-- AlterTable
ALTER TABLE "login_outcomes" ADD COLUMN "generation" INTEGER;
