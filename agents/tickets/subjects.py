"""What support tickets are about: topics, from which key issues are made, and the evidence for each category.

Phrases as in `lexicon.py`: any form of the words fits, "~" stands for up to two words. A category's phrases carry
weights; a word counts once, where it weighs most.
"""

from __future__ import annotations

# Tags of a sentence: "about <topic>".
TOPICS: dict[str, str] = {
    "video": """
        video, player, playback, stream, streaming, buffer, buffering, recording, subtitle, caption, lecture video
        """,
    "audio": "audio, sound, microphone, voice",
    "login": """
        login, log in, sign in, password, otp, log me out, logs me out, logged out, locked out, credentials, log out
        """,
    "page": "page, site, website, portal, platform, link, server, dashboard, browser, screen, button, 404, system",
    "app": "app, mobile app, application, android, iphone, install, reinstall, software",
    "upload": "upload, submit, submission, hand in",
    "progress": "progress, my work, lost my, saved work",
    "live class": "live class, live session, webinar, zoom, meeting link, first session",
    "payment": "payment, transaction, charge, debit, deduct, upi, credit card, checkout, emi, instalment, gateway",
    "fees": "pay, payment, fee, price, cost, instalment, emi",
    "discount": "discount, coupon, promo, promo code, voucher, scholarship, waiver",
    "refund": "refund, money back, return my money, reimburse me",
    "invoice": "invoice, receipt, bill, billed, billing, gst, gstin, tax invoice, statement",
    "certificate": "certificate, certification, diploma, transcript, badge",
    "content": """
        content, lesson, lecture, module, chapter, note, slide, pdf, exercise, material, quiz, handout,
        answer key, code, example, worksheet, explanation, syllabus, unit, dataset, textbook
        """,
    "old": "outdated, obsolete, out of date, dated, old version, deprecated",
    "pace": "pace, too fast, too slow, too easy, too difficult, too hard, boring, dull",
    "reply": """
        reply, response, respond, answer, call back, support, helpline, chat, ticket, email, mail, message, mentor,
        heard
        """,
    "grade": "grade, marks, score, grading, result, evaluation, ",
    "attendance": "attendance, absent, present",
    "extension": "extension, extend, more time, one more week, more days, postpone, extra time",
    "exam": "exam, examination, test, midterm, final exam, viva",
    "batch": "batch, section",
    "profile": "profile, phone number, email address, change email, rename",
    "job": "placement, job, internship, career, interview, resume, cv, recruiter, placement cell",
}

# --- categories -----------------------------------------------------------------------------------------------------

CATEGORIES: dict[str, dict[float, str]] = {
    "Technical": {
        3.0: """
            captcha, proctoring window, webcam, headset, playback speed, cookies, sandbox, virtual machine, compiler,
            screen reader, data usage, pop-up, resolution, speaker, volume, sign up page, disappear, disappeared,
            deleted, erased, two accounts, logs out, 404, login, log in, log me out, logs me out, logged out,
            sign in, password, browser, chrome, firefox, safari, crash, freeze, frozen, froze, bug, glitch, buffer,
            buffering, server, server error, app, website, site, portal down, site down, install, reinstall,
            uninstall, otp, subtitle, caption, screen, black screen, error 404, upload, load, loading, cache,
            playback, dark mode, video ~ load, video ~ play, sound, audio, microphone, camera, notification, sync,
            player, streaming, offline, works now, work now, working now, works again, working again, works fine,
            locked out, two factor, url, link ~ not work, mobile app, plugin, pop up, timeout, times out
            """,
        2.0: """
            window, tab, keyboard, refresh, proctoring, calendar, tap, click on, disabled, downloads, page, portal,
            platform, link, error, download, android, iphone, ios, ipad, tablet, laptop, computer, phone, mobile,
            windows, linux, mac, version, update, button, feature, zoom, internet, wifi, connection, display, click,
            account, submit, maintenance, progress, search, dashboard, webinar link, invalid credentials, device,
            black
            """,
        1.0: "video, videos, stream, system, technical, open, access, screenshot, live class, save, software, online",
    },
    "Payment": {
        3.0: """
            cheque, demand draft, gateway, late fee, concession, purchase, cash, partial refund, remittance,
            reversal, my card, fee waiver, statement to you, refund, payment, pay, paid, charge, charged, debit,
            debited, deduct, deducted, upi, emi, installment, instalment, transaction, coupon, promo, promo code,
            discount, checkout, credit card, debit card, net banking, netbanking, neft, imps, rtgs, wallet,
            money back, my money, cashback, autopay, auto renewal, subscription, fee, refundable, money
            """,
        2.0: """
            amount, bank, card, price, scholarship, loan, credited, reverse, balance, voucher, rupee, rs, inr, ₹,
            cost, dues, waiver, paypal
            """,
        1.0: "account, cancel, cancelled, reference, enrolled in the wrong, $, €, £",
    },
    "Billing": {
        6.0: """
            invoice, gst, gstin, receipt, tax invoice, vat, billing, bill, billed, fee receipt, tds, pan,
            purchase order, proforma
            """,
        2.0: """
            credit note, made out to, totals, bill to, accountant, bookkeeping, auditor, tax, reimburse,
            reimbursement, company name, statement, accounts department, company, ledger, hsn
            """,
    },
    "Certificate": {
        6.0: """
            certificate, certification, certificate download, diploma, transcript, credential, badge, certificat,
            certificado, zertifikat
            """,
        2.0: """
            embassy, framed, attested, attestation, apostille, printed copy, convocation, laminated,
            completion letter, verify, verification, spelling of my name, misspelled, reissue, issue ~ again,
            hard copy, name change, marksheet
            """,
    },
    "Content": {
        3.0: """
            homework, narrator, case study, flashcard, recordings, workbook, glossary, taught in, chart, script,
            howlers, translation, practice questions, assignment question, model answer, course book, reading list,
            content, note, notes, slide, slides, handout, worksheet, syllabus, curriculum, chapter, lesson, lecture,
            material, module, pdf, textbook, dataset, exercise, answer key, outdated, explanation, explaining,
            explain, topic, reading, wrong answer, typo, example, tutorial, video lecture, recorded
            """,
        2.0: "unit, code, solution, page number, mistake, pace, too fast, too slow, boring, dull, diagram, dated",
        1.0: "quiz, question, answers of, video, week, cover, read, project, exercise, confusing, syntax, understand",
    },
    "Support": {
        3.0: """
            front office, reception, appointment, faq, operator, help line, opening hours, visit the office,
            receptionist, enquiry, inquiry, support, support team, help desk, helpdesk, helpline, customer care,
            customer service, chat, chatbot, bot, ticket, no reply, no response, reply, response, respond,
            nobody answer, no one answer, contact, call back, callback, call me, executive, on hold, representative,
            office hours, timetable, profile, phone number, email address, change email, change of email, answer my,
            answer questions, replies
            """,
        2.0: """
            office, reading these, visit, replied, colleague, holiday, agent, mentor, email, mail, message, answer,
            help, contact number, schedule, wait, nobody, written, waited, heard, account, call
            """,
        1.0: "team, question, hello, hi, instructor, phone, when is",
    },
    "Academic": {
        3.0: """
            practical exam, hall ticket, admit card, supplementary, re-exam, plagiarism, roll number, backlog,
            board exam, rank, internal marks, syllabus change, more time, semester break, to pass, passing marks,
            drop the, transcripts, convocation date, exam, examination, midterm, extension, attendance, absent,
            marked absent, grade, marks, semester, batch, elective, viva, revaluation, re-evaluation, assignment,
            essay, eligible, reschedule, postpone, credits, gpa, result, evaluation, thesis, dissertation,
            prerequisite, leave of absence, medical leave, final exam, grading, enrolment date
            """,
        2.0: """
            score, test, final, deadline, project, leave, admission, section, transfer, clash, fever, hospital,
            surgery, extra time, portal shows
            """,
        1.0: """
            date, week, class, mark, submit, submitted, university, drop, exercise, present, move, morning, evening,
            teacher
            """,
    },
    "Complaint": {
        3.0: """
            complaint, complain, grievance, rude, rudely, behaviour, misbehave, misbehaviour, insult, harass,
            harassment, unfair, discrimination, bully, bullying, abuse, threatened, scam, fraud, cheat, cheated,
            thief, crook, unprofessional, mislead, misled, misleading, worst course, worst experience,
            waste of money, terrible experience, horrible experience, disrespect, shouted, humiliate, humiliated,
            humiliating, rip off, mismanagement, discriminated, favouritism, conduct, racist, sexist,
            worst institute, never again, bad experience, apology
            """,
        2.0: """
            remarks, laughed, ashamed, authorities, trainer, attitude, teased, hygiene, crowded, partiality,
            moved again, third time, lawyer, contract, staff, staff member, management, institute, institution,
            experience, promised, false promise, disappointed, consumer court, police, expectation, lie, liar,
            academy, organisation, treated, treatment, cancelled, reputation, place
            """,
        1.0: "class, instructor, tutor, teacher, useless, waste, worst, people, school, you people",
    },
    "Career": {
        4.0: """
            freelance, freelancing, job fair, portfolio, apprenticeship, vacancy, vacancies, alumni, referral,
            portfolio workshop, your placement, career switch, placement, career, internship, resume, cv,
            mock interview, job offer, recruiter, hiring, placement cell, job, jobs, counsellor, career guidance,
            salary, hired, linkedin, portfolio review, placement team, cover letter
            """,
        2.0: """
            interview, which course, become, university, company, opening, employment, hr, campus, roadmap, guidance,
            change careers, data engineer
            """,
    },
    "Feedback": {
        3.0: """
            wish, five stars, zero stars, it would help, feature request, would love to see, thumbs up, shout out,
            feedback, suggestion, suggest, review, survey, rating, stars, would be nice, would be great, idea,
            would recommend, wouldn't recommend, recommend
            """,
        2.0: """
            great course, good course, best course, love, enjoy, consider adding, it might help, would help,
            improvement, thank you so much, average, honest opinion, expected, quality, overall, worth,
            please consider
            """,
        1.0: """
            course, teacher, instructor, workshop, class, project, price, experience, learned, learnt, opinion, app,
            version
            """,
    },
}
