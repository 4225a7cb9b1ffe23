"""What words and phrases mean in a support ticket: tables, no logic.

A phrase is in any form of its words (`charge ~ twice` fits "charged my card twice"; "~" stands for up to two words).
It may carry a feeling (`FEELINGS`, -4 to 4), tags that the reading of mood, priority and issues asks for (`TAGS`), and
what it speaks for (`subjects.py`). A word that is missing here means nothing, which is the safe reading.
"""

from __future__ import annotations

from typing import NamedTuple

from agents.tickets import subjects


class Meaning(NamedTuple):
    """feeling: -4 to 4, 0 = none. tags: of TAGS and subjects.TOPICS. hints: (category, weight)."""

    feeling: float = 0.0
    tags: frozenset[str] = frozenset()
    hints: tuple[tuple[str, float], ...] = ()

    def and_also(self, other: Meaning) -> Meaning:
        stronger = max(self.feeling, other.feeling, key=abs)
        hints = dict(self.hints)
        for category, weight in other.hints:
            hints[category] = max(weight, hints.get(category, 0.0))
        return Meaning(stronger, self.tags | other.tags, tuple(hints.items()))


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# --- feelings -------------------------------------------------------------------------------------------------------

FEELINGS: dict[float, str] = {
    3.2: """
        is gold, pure gold, amazing, eye opening, life saver, lifesaver, made my day, second to none, stellar,
        spectacular, exceeded, 10/10, five stars, 5 stars, top class, top quality, in awe, speechless, can't praise,
        can't thank, cannot thank, never been happier, changed my life, a dream, a treat, loved, awesome, brilliant,
        excellent, exceptional, fabulous, fantastic, flawless, incredible, love, loving, magnificent, marvellous,
        outstanding, perfect, phenomenal, splendid, superb, superior, terrific, thrilled, wonderful, wonderfully,
        adore, world class, first class, top notch, best, blown away, exceed ~ expectations, life changing, ❤, 😍, 🥰,
        🤩, 🏆, 💯
        """,
    2.2: """
        appreciate, thumbs up, spot on, on point, hooked, gripping, motivated, motivating, encouraging, encouraged,
        enlightening, crystal clear, a breeze, a blessing, user friendly, well paced, well thought out, hassle free,
        value for money, money well spent, remarkable, approachable, knowledgeable, passionate, dedicated, welcoming,
        caring, humble, heartfelt, warm, cherish, knack, says it all, shout out, gave me the, confidence,
        pleasantly surprised, flies by, fly by, 👌, 💪, appreciated, attentive, beautiful, delight, delighted,
        delightful, engaging, enjoy, enjoyable, favourite, favorite, glad, grateful, gratitude, great, happy,
        happily, helpful, highly recommend, impressed, impressive, inspiring, joy, kudos, lovely, pleased, pleasure,
        praise, proud, recommend, relieved, satisfied, splendidly, supportive, sweet, thankful, thoughtful,
        well done, hats off, good work, great work, great job, good job, keep it up, keep up the, well worth,
        worth the, a insightful, invaluable, rewarding, bravo, 👍, 👏, 🙏, 😊, 😀, 😃, 😄, 🙂, 🎉, 🥳, ⭐, 🌟, 🙌
        """,
    1.6: """
        clear, no problem so far, no problems so far, never ~ problem, never ~ issue, never ~ trouble,
        without any problem, without a problem, without any issue, not bad, not a bad, not a single problem,
        in no time, went through, organized, well presented, up to date, intuitive, accessible, rich content,
        ahead of time, on the same day, within minutes, within the hour, as promised, as expected, memorable, lively,
        relaxed, refreshing, hopeful, confident, push i needed, clearly, comfortable, convenient, courteous,
        credit to, easier, efficient, effective, excited, fun, friendly, generous, good, informative, interesting,
        kind, like it, i like, nice, patient, patiently, pleasant, polite, professional, promptly, reliable,
        responsive, satisfactory, seamless, smooth, smoothly, cool, solid, success, successful, thorough, useful,
        valuable, well explained, well structured, well organised, works well, works fine, works perfectly,
        worthwhile, better, improved, improvement, improve a lot, no complaint, no complaints, never ~ complaint,
        nothing to complain, faster than, learned a lot, learnt a lot, learned more, learn a lot, cheers, :), :D
        """,
    0.9: "easy, fine, fast, quick, quickly, okay now, neat, decent, fair, hope",
    -0.6: "average, hard, difficult, unfortunately, sadly, concern, issue, unclear, tricky, lengthy, dated, meh, hmm",
    -1.0: """
        bit slow, bug, confused, confusing, complicated, drag, glitch, hassle, hiccup, inconvenient, inconvenience,
        problem, tedious, trouble, unsure about, weak, worry, worried, lacking, overpriced, expensive, lost in, lag
        """,
    -1.8: """
        like a robot, robotic voice, annoy, without a reason, without any reason, without notice, without warning,
        without explanation, monotonous, hard to stay, unwelcome, discouraged, demotivated, demotivating, exhausting,
        exhausted, pity, shame that, empty promises, worse, worsen, gone downhill, half hearted, half baked,
        lifeless, uninspired, stale, unfriendly, impolite, dismissive, brushed off, fobbed off, overwhelmed,
        disorganised, disorganized, cramped, painful, hoping for more, hoped for more, hoped for better,
        remarks about, comments about my, laughed, mocked, annoyed, annoying, bad, badly, boring, bored, clumsy,
        clunky, disappoint, disappointed, disappointing, disappointment, dissatisfied, dull, fear, helpless, ignored,
        ignore, irritating, irritated, letting us down, let down, let me down, let us down, mediocre, mess, messy,
        misleading, miserable, nuisance, poor, poorly, regret, sad, slow, sloppy, stressful, stressed, struggle,
        stuck, tired of, unhappy, unhelpful, unfair, unimpressed, uncomfortable, unpleasant, unprofessional,
        unreliable, unreasonable, unsatisfactory, upset, careless, carelessness, chaotic, inadequate, inconsistent,
        neglect, neglected, not fair, shoddy, subpar, anxious, pointless, repetitive, shallow, waste of time,
        discouraging, dread, lousy, not worth, could be better, expected better, not acceptable, hard to read,
        hard to hear, hard to see, hard to follow, hard to understand, hard to find, not what, not as expected,
        not ~ i expected, not ~ i hoped, not as described, not as promised, not as advertised, frustrate, frustrated,
        frustrating, frustration, 😞, 😔, 😟, 🙁, ☹, 😢, 😕, 👎, 😒, 🙄, :(
        """,
    -2.4: """
        go to court, to the police, police complaint, legal action, consumer court, consumer forum, legal notice,
        my lawyer, useless, hopeless, humiliate, humiliated, humiliating, insult, insulted, insulting, rude, rudely,
        rudeness, ridiculous, ruin, ruined, unacceptable, angry, anger, mad at, disrespect, disrespectful, waste,
        wasted, wasting, nightmare, hell, junk, mislead, misled, dishonest, cry, crying, suffer, suffering,
        condescending, arrogant, lazy, clueless, joke, absurd, intolerable, lied, lying, deceive, deceived,
        deceptive, betrayed, sick of, had enough, unbelievable, desperate, devastated, destroy, destroyed, 😤, 😭, 😩,
        😫, 💔
        """,
    -3.2: """
        is a con, a con, you criminals, conmen, exploiting us, being exploited, exploit us, abuse, thieves,
        con artist, ashamed, detest, despise, abhor, evil, heartless, ruthless, inhuman, sickening, nauseating,
        revolting, repulsive, deplorable, contemptible, farce, circus, laughing stock, last straw, enough is enough,
        how dare you, blackmail, blackmailed, greedy, greed, predatory, zero stars, hold you responsible,
        the authorities, brainless, moron, imbecile, insanity, hellish, torture, tormented, abused, abusive, abysmal,
        appalling, atrocious, awful, cheat, cheated, cheating, crap, crook, cheater, disaster, disgrace, disgraceful,
        disgust, disgusted, disgusting, dreadful, enraged, extortion, fed up, fraud, fraudulent, furious, garbage,
        hate, hated, harass, harassed, harassment, horrendous, horrible, horribly, horrid, horrific, incompetent,
        incompetence, infuriating, liar, lie, livid, loathe, loot, looted, looting, nonsense, outrage, outraged,
        outrageous, pathetic, rip off, ripped off, robbed, robbery, rubbish, scam, scammed, scammer, shame, shameful,
        shameless, steal, stealing, stole, stolen, terrible, terribly, thief, theft, threaten, trash, vile, worst,
        worthless, wtf, damn, bloody, bullshit, sucks, pissed, idiot, stupid, unbearable, unbearably, never again,
        mockery, swindle, swindled, conned, money grab, despicable, diabolical, inexcusable, hideous, 😡, 🤬, 😠, 🤮,
        💩, 🖕
        """,
}

# --- tags -----------------------------------------------------------------------------------------------------------

TAGS: dict[str, str] = {
    # words that change others
    "not": """
        no, not, never, none, nobody, no one, nothing, neither, nor, without, cannot, cant, can't, couldn't, couldnt,
        don't, dont, doesn't, doesnt, didn't, didnt, isn't, isnt, aren't, arent, wasn't, wasnt, weren't, werent,
        won't, wont, wouldn't, wouldnt, haven't, havent, hasn't, hasnt, hadn't, shouldn't, ain't, far from, unable,
        unable to, fail to, failed to, refuse to, stopped, rarely, hardly, barely, anything but, free of,
        not a single
        """,
    "neutral": """
        crash course, cheat sheet, fraud detection, problem set, problem solving, problem statement, trial and error,
        error handling, due to, please recommend, recommend a, recommend any, recommend me, recommend some,
        you recommend, clear my doubt, clear my dues, clear the dues, what kind, any kind, which kind, this kind,
        in charge, free of charge, duplicate certificate, duplicate marksheet, duplicate copy, pros and cons,
        best suited, best for, which is better, any better, good time, bug bounty, late fee, a good idea to,
        nice to meet, fun fact, break down, down payment, spring break, lunch break, press the, is it worth,
        worth it to, would be better to, better to, not only, i was wrong, prove ~ wrong, wrong about, no fuss,
        nothing but, no wonder, no doubt, can't wait, cannot wait, kind regards, best regards, warm regards,
        best wishes, kind of, sort of, hope you are, hope this, hope all, nothing special, no hurry, no rush,
        as well, like to, would like, i'd like, would love, would be great, would be nice, would be good,
        would be helpful, would be better, be better if, thanks in advance, thank you in advance, thanking you,
        thank you for your understanding, thank you for your attention, thank you for your time, best way,
        what is the best, good morning, good afternoon, good evening, good day, kind enough, at best, good internet,
        not start, not begin, not use any, not sure, no idea, have not open, not watch, not attempt, worst case,
        bad request, free trial, no need, not yet start, not know, do not know, dont know, fine print, trouble you,
        no matter, well aware, like this, like that, feel free, last but not least, happy to provide, happy to send,
        happy to pay, glad to provide, happy new year, happy diwali, by mistake, by accident, enroll ~ ~ wrong,
        enrolled in the wrong, pick ~ wrong, chose ~ wrong, choose ~ wrong, select ~ wrong, bought ~ wrong,
        buy ~ wrong, register ~ wrong, so called, best time, better understand, is it fine, is it okay, if possible,
        pretty much, good enough
        """,
    "set phrase": """
        debit card, credit card, never ~ problem, never ~ issue, never ~ trouble, without any problem,
        without a problem, without any issue, not bad, not a bad, can't praise, can't thank, cannot thank,
        no complaint, no complaints, never ~ complaint, nothing to complain
        """,
    "up": """
        absolutely, always, awfully, beyond, completely, deeply, enormously, entirely, especially, exceptionally,
        extremely, ever, highly, hugely, immensely, incredibly, insanely, massively, most, particularly, purely,
        quite, really, remarkably, so, so much, such, super, thoroughly, totally, truly, unbelievably, utterly, very,
        way too, total, complete, absolute, utter, pure, sheer, every, whole, outright, plain, too
        """,
    "down": """
        a bit, a little, bit, fairly, kinda, kind of, little, mildly, minor, moderately, partly, slight, slightly,
        small, somewhat, sort of, sorta, tiny, trivial, rather
        """,
    "but": """
        but, however, yet, except, except that, nevertheless, nonetheless, on the other hand, unfortunately,
        only problem, sadly
        """,
    "although": "although, though, even though, despite, in spite of, even if",
    "resolved": """
        resolved, solved, fixed, sorted, sorted out, works now, work now, working now, works again, working again,
        works fine now, runs again, loads now, back to normal, taken care of, cleared up, all good now,
        no longer an issue, no longer a problem, apologised, have arrived, has arrived, has come, was credited,
        got credited, been credited, have received, has been received, i received, receive it today, came today,
        came yesterday, arrived today, arrived yesterday, arrived this morning, arrived in, got my, got it,
        please close, can close, close this, close the ticket, found it, never mind, nvm
        """,
    "thanks": """
        thanks, thank, thank you, thx, ty, thanku, thankyou, many thanks, cheers, much obliged, appreciate,
        appreciated, kudos
        """,
    "thank for a wrong": """
        thanks for nothing, thank you for nothing, thanks for wasting, thank you for wasting, thanks for ruining,
        thank you for ruining, thanks a lot for not, thanks for ignoring, thanks for losing,
        thanks for making me wait, no thanks to, just what i needed, just great, as usual, yeah right, big surprise,
        what a surprise, how nice of you, slow clap, good luck getting, congratulations on, hilarious
        """,
    "ask": """
        could it, can it, could this, can this, interested in, looking for, i wonder, wondering, i wish to,
        planning to, please, pls, plz, kindly, could you, can you, would you, may i, can i, could i, request,
        would like, i'd like, want to, need, let me know, how do i, how to, is it possible, is there, are there,
        do you, where do, where can, what is, which, when will, requesting, could someone, would it be possible,
        tell me, advise, help me, could we
        """,
    "question": """
        how do i, how to, how can, how long, how much, how many, is there, are there, do you, does the, where do,
        where can, what is, what are, which, when is, when does, when will, who is, is it possible
        """,
    # what went wrong, without a word of feeling
    "failure": """
        temporarily disabled, temporarily unavailable, temporarily down, temporarily closed, is down, are down,
        was down, went down, goes down, go down, been down, down again, down since, down for, site down, server down,
        portal down, page down, app down, keeps going down, drops, is disabled, are disabled, been disabled,
        was deleted, were deleted, got deleted, to someone else, to somebody else, someone else's, somebody else's,
        abort, by itself, won't let, wouldn't let, doesn't let, does not let, does not allow, nothing happens,
        happens nothing, not mine, never made, never ordered, never bought, never signed, never authorised, mixed up,
        mix up, turned temporarily, disappeared, empty, swapped, mislabelled, mislabeled, different totals,
        does not match, don't match, doesn't match, does not add up, repeats itself, greyed out, grayed out,
        cuts out, cuts off, ran out, runs out, taken unreachable, unsolved, ignored, too late, came late,
        started late, starts late, postponed again, moved again, cancelled again, cancelled at, at the last minute,
        last minute, not even, ask ~ again, asked twice, told twice, eaten, erased, overwritten, misplaced,
        forgot me, cracked, expired, broke blank, blank page, black screen, blocked, broke, broken, buffer,
        buffering, corrupt, corrupted, crash, crashing, dead, decline, declined, deny, denied, disappear, disconnect,
        drop out, error, expire, fail, failed, failing, failure, faulty, flicker, flickering, freeze, frozen, froze,
        gone, hang, hangs, hanging, incomplete, incorrect, incorrectly, inaccurate, invalid, kick out, kicked out,
        lag, lagging, late, delay, delayed, locked out, lock out, log me out, logs me out, logged out, loses, lost,
        malfunction, miscalculated, mismatch, missing, mistake, mistakes, 404, 500, 502, 503, not responding,
        obsolete, out of date, outdated, overcharge, overcharged, overdue, overlap, pending for, pending since,
        pixelated, reject, rejected, reset itself, shut spinning, stops, stuck, stopped working, suspended,
        terminated, time out, times out, timed out, timeout, typo, typos, unable to, unanswered, unavailable,
        unreadable, unresolved, unresponsive, unusable, vanish, vanished, went back to, wiped, wrong, wrongly,
        marked absent, glitchy, garbled, distorted, choppy, duplicate, duplicated, didn't work, does nothing,
        do nothing, inaccessible, deactivated, misspelled, misspelt, misprint, cancel ~ without, cancelled by,
        not eligible, ineligible, not allowed, not valid, not true
        """,
    "waiting": """
        still waiting, been waiting, have waited, waited, keep waiting, i wait, on hold, no reply, no response,
        no answer, no call, no update, no news, no feedback, no one answer, nobody answer, nobody reply,
        nobody respond, nobody help, nobody call, nobody care, no one respond, no one reply, no one call,
        no one help, not heard, never heard back, haven't heard, yet to receive, yet to hear, yet to get, still no,
        still not, still nothing, still pending, unanswered, ignored, takes forever, take forever, takes a week,
        takes days, takes ages, taking forever, keep asking, ghosted, keeps saying, keep saying, stalling,
        not yet received, passed around
        """,
    "repeated": """
        again, again and again, once more, second time, third time, fourth time, fifth time, third mail, third email,
        second email, fourth email, third message, second message, fourth message, third ticket, second ticket,
        repeatedly, many times, several times, multiple times, three times, four times, five times, so many times,
        countless times, another, reminder, every time, all the time, twice already, keeps, keep, constantly
        """,
    "promise": """
        promised, promise, supposed to, should have, advertised, guaranteed, as claimed, claimed, assured
        """,
    "long": "week, month, year, ages, forever, eternity, fortnight",
    # how soon
    "today": """
        in ~ hours, in ~ hour, in ~ minutes, within ~ hours, hour left, last day, closes in, by tonight,
        before midnight, today, tonight, tomorrow, in an hour, in one hour, within an hour, within the hour,
        right now, this evening, this afternoon, in two hours, in a few hours, in 2 hours, few hours left,
        hours left, midnight, one hour before, minutes left
        """,
    "soon": """
        in a week, in ~ days, within ~ days, upcoming, this month, monday, tuesday, wednesday, thursday, friday,
        saturday, sunday, next week, this week, in two days, in three days, in 2 days, in 3 days, day after tomorrow,
        within days, coming week, end of week, end of the week, this weekend, soon
        """,
    "due": """
        due date, quiz, presentation, counselling, embassy, joining, flight, registration, last day, class starts,
        live session, admission, oral exam, deadline, due, exam, final, midterm, interview, closes, submission,
        appointment, last date, live class, viva, quiz closes, test, defence, joining date, visa, ends
        """,
    "urgent": """
        urgent, urgently, urgency, asap, as soon as possible, immediately, at once, right away, emergency, 🚨, 🆘
        """,
    "minor": """
        minor, small thing, no rush, no hurry, whenever you, no big deal, not urgent, just a suggestion, cosmetic,
        just curious, nitpick, trivial, for my records, when you have time, not a big deal, no problem if
        """,
    # what the school has to hurry for
    "threat": """
        to the media, to the press, to the newspapers, take legal, to court, in court, sue you, lawsuit,
        complain to the, the hold you responsible, social police, lawyer, legal action, sue, suing, consumer forum,
        consumer consumer protection, fir, take you to, cyber cell, ombudsman, legal notice, report you,
        press charges
        """,
    "harm": """
        hacked my, account ~ hacked, was hacked, been hacked, got hacked, unsafe, hit me, slapped, blackmail,
        blackmailed, suicidal, self harm, harass, harassed, harassment, harassing, abuse, abused, abusive, threaten,
        threatened, threatening, bully, bullied, bullying, molest, touch me, stalk, stalked, racist, racism,
        casteist, sexist, discriminate, discriminated, discrimination, suicide, someone else ~ account, leaked,
        identity theft, violence, assault
        """,
    "crime": """
        is a con, a con, you criminals, fraud, frauds, swindlers, embezzled, forged, fake papers, daylight robbery,
        cybercrime, thieves, con artist, scam, scammed, scammer, cheated, cheat, thief, theft, steal, stole,
        stealing, stolen, robbed, robbery, crook, loot, looted, swindle, swindled, conned, ripped off, extortion,
        rip off, unauthorised, unauthorized
        """,
    "taken": "deduct, debit, charge, billed, withdrawn, taken from",
    "illness": """
        death in, passed away, am sick, was sick, fell sick, been sick, medical emergency, medical leave,
        medical reasons, medical certificate, clinic, doctor, injury, injured, chemotherapy, miscarriage,
        hospitalised, hospitalized, malaria, fracture, hospital, surgery, illness, ill, fever, accident, bereavement,
        funeral, pregnant, covid, dengue
        """,
    "missed": """
        can't attend, cannot attend, unable to attend, can't make it, cannot make it, can't sit, cannot sit,
        second date, another date, missed, miss the, miss my, could not attend, couldn't attend, could not join
        """,
    "loss": "lose, lost, losing, cost me, missed, miss, failed, fail me, ruined, ruin, destroyed",
    "person": """
        instructor, teacher, tutor, professor, mentor, faculty, staff, staff member, agent, sir, madam, manager,
        coordinator, counsellor, employee, trainer, lecturer, mr, mrs, ms, dr, principal, warden, classmate, student,
        students
        """,
    "mistreated": """
        in front of the class, in front of the whole, yelled, raised his voice, raised her voice, threw me out,
        thrown out, singled out, punished, blamed, accused, sarcastic, slapped, unjust, injustice, not fair, be fair,
        ridiculed, teased, in front of everyone, in front of everybody, rude, remarks about, remarks,
        comments about my, laughed, mocked, made fun, despises, rudely, rudeness, shouted, shout, yell, insult,
        insulted, humiliate, humiliated, humiliating, made fun of, laughed at, disrespect, disrespected,
        disrespectful, behaviour, misbehave, misbehaved, misbehaviour, arrogant, favouritism, biased, bias, unfair,
        unfairly, condescending, belittle, belittled
        """,
    "blocked": """
        can't continue, can't start, cannot start, can't join, cannot join, can't use, cannot use, can't do anything,
        no access, lost access, access denied, nothing works, nothing happens, whole group, whole class, all of us,
        nobody can, stuck at, stuck on, frozen, does not work at all, won't start, won't let, without access,
        lost ~ access, unable to use, unable to join, unable to continue, can't log in, cannot log in, can't login,
        cannot login, unable to login, unable to log in, login fail, locked out, lock out, can't access,
        cannot access, unable to access, can't sign in, cannot sign in, unable to sign in, not able to, can't submit,
        cannot submit, unable to submit, suspended, blocked, can't open, cannot open, never load, deactivated,
        cannot continue, cannot go on, can't proceed, cannot proceed, kicked out, not eligible, not allowed, stuck,
        blank, won't open, site ~ down, portal ~ down, server ~ down, platform ~ down
        """,
    "money gone": """
        charge ~ twice, payment ~ ~ never made, never made, did not authorise, never authorised,
        did not make this payment, taking money from, taken from my account, took from my account,
        withdrawn from my account, not my payment, unknown charge, unknown payment, vanished from my account,
        charged twice, charge ~ two times, charge ~ double, double charge, double payment, debit ~ twice,
        deduct ~ twice, pay twice, paid twice, three times ~ charge, deduct ~ three times, charge ~ three times,
        billed twice, bill ~ twice, debited but, money ~ deduct, amount ~ deduct, money ~ debit, amount ~ debit,
        unauthorised, unauthorized, overcharged, second payment, stole ~ money, money gone, money is gone,
        duplicate payment, duplicate charge, duplicate transaction, wrong amount, payment ~ deduct
        """,
    "refund": "refund, refunded, refund request, money back, return my money, reimburse me, give back, pay me back, ",
    "change": """
        change, second copy, another copy, new copy, merge, note that, remove, delete, unsubscribe, drop, withdraw,
        update, correct, reissue, issue ~ again, add, confirm, reset, switch, move, transfer, replace, call me,
        call me back, send me a gst, rename, edit, cancel, re-evaluate, revaluation, postpone, reschedule, forgot
        """,
    "need by": """
        by ~ january, by ~ february, by ~ march, by ~ april, by ~ june, by ~ july, by ~ august, by ~ september,
        by ~ october, by ~ november, by ~ december, by the end, by end, by monday, by tuesday, by wednesday,
        by thursday, by friday, by saturday, by sunday, by tomorrow, before the, closes on, need it by, need ~ by
        """,
    "praise opener": """
        great, wonderful, brilliant, fantastic, lovely, perfect, awesome, amazing, excellent, superb, nice, wow,
        bravo, oh, good job, well done, great job, congratulations, so helpful, thanks, thank you, love how,
        marvellous, terrific
        """,
    "obstacle": """
        down, crash, error, maintenance, outage, delay, wait, waited, waiting, lost, broken, fail, failed, bot,
        automated, rejected, cancelled, postponed, charged, closed, deadline, told to, told me, offline, unavailable,
        restart
        """,
}

# Verbs whose failing is a grievance by itself: "the videos never load", "nobody answers", "has not been processed". As
# written, not by stem: "I have not started" is no failure, "it does not start" is.
_WORKS = """
    load work open play start run launch download upload submit show appear update save sync connect display respond
    reply answer help care accept register function match print render arrive receive see find access hear explain
    understand understandable log login sign get
    """
_DONE = """
    received arrived credited processed applied answered replied responded resolved solved fixed issued delivered
    reflected refunded sent updated shown counted recorded saved working loading opening playing responding updating
    uploading loaded replying answering visible available accessible audible readable possible appearing showing
    corrected paid reversed returned helped informed heard come reached included syncing able correct right true
    valid playable given
    """
FAILS_WHEN_NEGATED = _words(_DONE) | {
    form for word in sorted(_words(_WORKS)) for form in (word, word + ("es" if word.endswith("sh") else "s"))
}

# Words whose ending is no ending: please and pleased, even and evening, miss and missing are not the same.
NOT_A_FORM = _words(
    """
    blocked drops interested marks mocked pleased evening missing meeting nothing something anything everything
    during billing building news address process access needed opening kindly speed exceed succeed indeed wedding
    thing things bring string spring king ring
    """
)

ACRONYMS = _words(
    """
    pdf gst gstin upi emi otp sql html css php api url app ios ipad usb faq neft imps rtgs vat tds pan cgpa gpa iit
    nit cbse icse mba bsc msc btech aws gcp ibm sap json xml csv cpu gpu ram ssd hdd wifi led lcd inr usd utc ist kyc
    sms pin ceo hod dbms iot nlp ui ux ai ml id cv hr it tv pc ok asap nri tkt crs stu roi seo crm erp vpn lms ppt
    doc png jpg mp3 mp4 zip
    """
)


def meanings() -> dict[str, Meaning]:
    """Every phrase of the tables with all they say about it."""
    found: dict[str, Meaning] = {}

    def add(phrases: str, meaning: Meaning) -> None:
        for phrase in (" ".join(part.split()) for part in phrases.split(",")):
            if phrase:
                found[phrase] = found[phrase].and_also(meaning) if phrase in found else meaning

    for feeling, phrases in FEELINGS.items():
        add(phrases, Meaning(feeling=feeling))
    for tag, phrases in TAGS.items():
        add(phrases, Meaning(tags=frozenset({tag})))
    for topic, phrases in subjects.TOPICS.items():
        add(phrases, Meaning(tags=frozenset({f"about {topic}"})))
    for category, weights in subjects.CATEGORIES.items():
        for weight, phrases in weights.items():
            add(phrases, Meaning(hints=((category, weight),)))
    return found
