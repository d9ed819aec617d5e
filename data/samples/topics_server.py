"""Topic bank: hardware, voice chat, memes, bets, tabletop nights and the server itself."""

BANK = """
== lag : tech general raids
-- complain+
Q my ping is {ping}, [the enemy teleports|I'm playing a slideshow]
Q I'm lagging so [hard|badly] that {boss} [killed me twice|is a painting]
A restart {part}, [works|helps] every time
A it's not you, {who} has it too
A who is downloading {newgame} in your house?
A use a cable, wifi is [a rumor|for phones]
a restarted, {ping2} ping, {good}
a it's {me.pet}, streaming [cartoons|bird videos]
a the cable is {num} meters too short
S I don't lag, I'm just [bad|slow]
S {who} blames lag for [everything|the taxes]
-- yesno+
Q is the {game} server [lagging|down] [for you too|for anyone else|on your side]?
Y {yes}, since {time}, [rubber bands|everything floats]
Y {yes}, I walked into {place} and it never loaded
N {no}, smooth here, check {part}
N {no}, {ping2} ping, normal
y {good}, I mean bad, but not just me
n checking, [hold on|brb]
n ok so it is {part}, [again|wonderful]

== hardware : tech
-- what+
Q what [card|gpu] do you [have|use], {you}?
Q what should I upgrade first, {part} or [the gpu|the cpu]?
A {me.gpu}, [old but loyal|runs {game} fine]
A still the {me.gpu}, it [sounds like|heats] the whole room
A {part}, the rest [can wait|will hold]
A the gpu, then {part} when there's money
a the {you.gpu}? that thing is [ancient|a tank]
a {part} first then, {thanks}
a money, [right|what's that]
S don't buy now, wait for [the sale|{day}]
S clean it first, [dust|cat hair] is free fps
-- complain+
Q {part} died, [in the middle of {boss}|right before the raid]
Q my computer makes [a new|that] noise, I think it's {part}
A did you [reseat|unplug] {part}? [worked for me|ten seconds]
A {bad}, I have a spare one [somewhere|in a box] if you want
A is it a click or a [whine|rattle]? click means [trouble|{part2}]
A time of death {time}, [rest in pieces|may it rest]
a reseated it, it [lives|breathes]!
a really? you're a [star|lifesaver]
a more of a [gurgle|meow], it might be {me.pet}
S back up your [saves|stuff] now
S have you tried [shouting at it|asking nicely]?
-- how+
Q how many fps do you get in {place}?
Q how do I get {game} to run [better|above {num} fps]?
A turn {setting} off, [doubled|saved] my fps
A {big}, with {setting} on low
A {num} on a good day, my {me.gpu} [weeps|tries]
A lower {setting}, nobody looks at it anyway
a {setting} off and it's [smooth|like a new game]
a {big}? I get {num}, [crying|wow]
a I like looking at {setting}
S play the menu screen, runs at {big2}

== keyboard : tech
-- which+
Q {switch} or {switch2} for a new keyboard?
Q which switches [do you have|should I get], {you}?
A {switch}, [my family complains|so quiet]
A {switch2}, if you [type|rage] a lot
A {switch}, and get {color} keycaps, [trust me|life is short]
a {switch} in {color}, [ordering|tempting]
a my [wife|brother|neighbor] [voted|begs for] silent ones
S whatever you pick, {who} will hear it in voice
S I [spilled|poured] {drink} on my last {switch}, rip
-- complain+
Q I spilled {drink} [on|into] my keyboard, [the w key is gone|it types on its own]
Q my headset [broke|only works on the left] again
A rice, [or|and] hope, and a new one on {day}
A turn it upside down and [wait|dry it] {num} hours
A tape [fixes|solves] everything
A that's headset number {num}, [no|isn't it]?
a {num} hours without w, I can only [retreat|go backwards]
a tape is [holding|the headset now]
a number {num}, I [sleep|sit] on them
S {drink} again? get a [lid|sippy cup]

== mods : games tech
-- yesno+
Q does {mod} [still work|work] after the patch?
Q is anyone [using|running] {mod}?
Y {yes}, [update|just update] it first {link}
Y {yes}, can't live without it
N {no}, it [broke|crashes] on load, wait for {day}
N {no}, it made everything [upside down|{color}]
y {good}, [installing|updating] now
n {color}? I want that on purpose
n ok, [without|vanilla] until {day} then
S {mod} and {mod2} together are [magic|a crash]
-- tell+
Q I [made|finished] a [small|silly] mod that turns {boss} [into a goose|{color}] {link}
Q {mod} has a new version, it adds [hats|a radio|better maps] {link}
A installing it [right now|tonight], [obviously|no questions]
A does it work with {mod2}?
A a goose is scarier than the real {boss}
a it does, I [checked|tested], mostly
a tell me if it [crashes|honks]
S modders are the real devs
-- how
Q how do I [install|add|set up] [{mod}|it]<, in small words>?
A drop it [in|into] the mods folder and [restart|pray]
A the launcher does it, [one click|two clicks]
a two clicks, even {who} can do it
a praying now

== voice_chat : general tech
-- complain+
Q [someone|who] has {noise} [on|in] voice, mute [please|yourself]
Q {who} was unmuted [for|the whole] {mins} minutes, we heard {noise}
A that's me, [sorry|one moment], it's {noise}
A {noise} is [raid music|my favorite member] now
A it was {who}, push to talk [exists|please]
A we heard the [song|sneeze|phone call] too, {laugh}
a {noise}, at this hour?
a push to talk, for everyone, [vote|rule one]
a the phone call was the best part
S my mic picks up [my thoughts|the neighbors]
-- yesno+
Q can you hear me [now|in voice]?
Q is anyone in voice [tonight|at the moment]?
Y {yes}, [loud and clear|like a robot underwater]
Y {yes}, me and {who}, [talking about|ranking] {food}
N {no}, you're a [fish|mime], check {part}
N not yet, [give me|in] {mins} minutes
y {good}, joining [now|with {drink}]
y underwater is [the new mic|my brand]
n ok, {mins} minutes, I'll [wait|make {drink}]
n checking, this headset [hates me|is cursed]

== memes : general media
-- tell+ img
Q made [a meme|this] about {who} and {boss}
Q [this|found this], it's {who} every {day}
Q me [waiting|farming] for {item}, day {big}
A {laugh} [the face|the hat|the third one]
A [I feel seen|personally attacked], it's true
A {who} is going to [frame|see] this
A saved, [for court|for later]
a the hat took [me|an hour|{mins} minutes]
a send it to {who}, I dare you
a there's a version with {you.pet}
S pin it, [somebody|please]
S museum, straight away
-- yesno
Q can I [use|post] that [elsewhere|on the other server]?
Y {yes}, but [credit|blame] {who}
Y {yes}, [spread it like jam|it belongs to everyone|the world must know]
N {no}, it stays in the family
N {no}, {who} would cry
y [credited|will do]
n understood, [vault|it's ours]

== bet : general games
-- tell+
Q I bet {big} {currency} that {who} [dies|gets lost|falls off] [first|within {mins} minutes]
Q if we [beat|down] {boss} [tonight|by {day}] I will {stake}
Q loser of the [race|duel] has to {stake}, [who's in|deal]?
A [deal|I'm in], [write it down|witnesses]?
A {big}? [make it double|easy money]
A you said that about {boss2} and never [paid|did it]
A I want that [in writing|pinned]
a written, signed, [stamped|regretted]
a double it is, [goodbye savings|no mercy]
a that was a [joke|different time]
S I'm holding the [money|stakes]
S screenshotted
-- yesno+
Q did {who} pay the bet [already|yet]?
Q so, {you}, did you {stake}?
Y {yes}, at {time}, [we all heard|there's a clip] {link}
Y {yes}, and [cried|enjoyed it]
N {no}, still [hiding|inventing excuses]
N not yet, the deadline is {day}
y best {day} of the [year|month]
n tick tock, {day} comes for all of us
n the shame
-- who
Q who won the [race|duel|bet] [in the end|at {place}|on {day}]?
A {who}, by [a nose|{num} seconds]
A nobody, [both|they] fell in the [river|lava|moat]
A me, [obviously|for once], and I want my {big} {currency}
a of course, [the moat|{who}]
a recount, [I demand one|please]

== tabletop : tabletop
-- when+
Q when is the next [session|game night]?
Q what time do we [play|start] on {day}?
A {day} at {time}, {who} [hosts|runs it]
A {time}, [sharp|ish], [character sheets|dice] ready
A {day2} if {who} is [back|well again], else {day}
a {time} [works|noted], I'll [level up|print] my sheet
a {good}, my [bard|rogue|druid] is [ready|rested]
a I'll bring [snacks|real dice|excuses]
S last time we [started|began] {mins} minutes late because of {who}
-- what+
Q what are we playing [next|after this campaign]?
Q what [system|kind of game] do you feel like?
A {system}, I've [written|got] {num} pages already
A {system}, or a break, [my brain is soup|honestly]
A anything where I can [talk to animals|be a thief|lie]
a {system}? [I'm in|my wizard is waiting]
a {num} pages! who are you
a talk to animals, [noted|again]
S only if {who} doesn't play a bard
S I call the [druid|rogue|idiot]
-- tell+
Q I rolled a {nat} on {skill} and [befriended|insulted] {npc}
Q my [rogue|bard|wizard] [stole|married|adopted] {tablething} [last night|in the session]
A a {nat} on {skill}, [typical|that's so you]
A the face of the game master, [priceless|I miss it]
A does {tablething} have a name [yet|at least]?
A and the party just [watched|let you]?
a {npc} has a name and a [hat|pension] now
a the party [helped|cheered], that's the worst part
a the game master needed {mins} minutes and {drink}
S in my notes it only says "{tablething}??"
-- yesno
Q can my character [still|really] use {skill} [here|on a door]?
Y {yes}, roll it, [difficulty|beat a] {num}
Y {yes}, but [quietly|at a cost]
N {no}, the door is [made of|just] {material}, and shy
N {no}, you're [unconscious|a goose] at the moment
y rolling, [wish me luck|fingers crossed]
n then I [bite|kick] it

== rules : general
-- tell+
Q [reminder|small reminder]: [spoilers|screenshots] go in [their own channel|spoiler tags], please
Q I [cleaned up|sorted] the channels, [tell me|shout] if something is missing
Q new rule: no [pinging everyone|trading fish] after {time}
A {thanks}, it was [getting messy|overdue]
A where did the [{genre}|recipe|frog] channel go?
A [sorry|guilty], that was me on {day}
A rules? [since when|here]?
a archived, [it slept|nobody used it] since {num} months
a no harm done, {you}
a since [now|{who}]
S finally some order
S {who} is going to break that by {time2}
-- yesno+
Q can we have a channel for [{genre}|recipes|pets|fishing]?
Q should we [raise|change] the [bot limit|server icon]?
Y {yes}, [I'll make one|give me] tonight
Y {yes}, if {num} people vote for it
N {no}, we have [enough|too many] [channels|dead channels]
N not now, [the pet pictures fit|put it] in [here|the other one]
y {good}, voting [now|with both hands]
n fair, [that's true|six is plenty]
S I vote frogs
-- how
Q how do I [change my nickname|mute that bot|get the role]?
A right click [your name|it], it's [near the bottom|the third one]
A ask {who}, they have the [keys|power]
A type it in [here|the bot channel] and wait {small} seconds
a found it, {thanks}
a bottom of the list, [of course|hidden well]

== afk : general
-- tell+ solo
Q brb, {chore}, [back in|give me] {mins} minutes
Q [dinner|{food}] is ready, [back at|see you at] {time}
Q I'm [back|home], what did I miss?
A {ok}, we'll [wait|start without you] at {place}
A enjoy, [bring some|save me a bite]
A {who} died {num} times, otherwise [nothing|quiet]
A {boss} dropped {item} the [second|moment] you left
a of course it did
a {num} times? [in {mins} minutes|already]?
a [don't|please don't] pull without me
S take your time, {who} is [repairing|lost] anyway
-- yesno
Q do you need anything while I'm [up|at the shop]?
Y {yes}, {drink}, and [{me.food}|a new life]
Y {yes}, courage
N {no}, just come back [alive|fast]
N {no}, I have {drink}, I'm set
y {drink} coming up
n {mins} minutes, [promise|don't pull]

== screenshots : media games
-- tell+ img
Q sunset [over|at] {place}, [no filter|{setting} on max]
Q {place} [in|during] {weather}, [this game|I just stood there]
Q caught {npc} [staring|sleeping|dancing] at {place}
A new wallpaper, [thanks|stealing this]
A the [light|sky|water] is [unreal|so good] [there|at {place}]
A is that {who} [drowning|fishing] in the corner?
A where [exactly|in {place}] is that? I want to [sit|live] there
a behind the [mill|waterfall], [up|climb] the [rope|roof]
a {yes}, {mins} seconds before the [bear|goose] came
a steal away
S and {setting} does [that|all this]? I'm turning it on
S print it, hang it
-- which
Q which one is better, the [left|first] or the [right|second]?
A the [left|first] one, the sky [wins|does it]
A the [right|second], {place} looks [bigger|haunted]
a [left|first] it is for the contest
a thanks, [posting|framing] that one

== hello : general
-- how+ solo
Q {hi} {you}, how [are you|is it going]?
Q {hi} everyone, how was your [{day}|day|week]?
A {good}, [just back|home] from {work}, you?
A [tired|sleepy] but {drink} is [helping|brewing], and you?
A {very} {good}, {me.pet} let me sleep until {time}
A [long|busy], I need {game} and {food}
a same, [long day|{chore} won], but [here now|{drink} helps]
a glad to hear it, {you}
a {game} at {time} then? I'm [in|around]
S {hi}, [late|half asleep] but here
-- tell+ solo
Q {hi} all, {drink} in hand, who's [around|playing]?
Q [morning|evening] everyone, [anyone|who's] up for {game}?
A me, {mins} minutes, [finishing|just finishing] {chore}
A {hi}! {game} at {time}?
A around but [eating|lazy], ask me at {time}
A {hi} {you}, [I'm at {place}|we're in {place}], join us
a {place}, coming
a {time} works
a finish your {chore}, I'll [wait|fish]
-- what
Q what are you [up to|doing] today, {you}?
A {chore}, then {game}, then [{chore2}|bed]
A nothing, [gloriously|on purpose]
A {me.hobby} until {time}, then I'm yours
a {you.hobby}, [lovely|again]
a nothing sounds [perfect|like a plan]

== bye : general
-- tell+ solo
Q ok, [bed|off to bed], {work} [tomorrow|at {time}]
Q I'm [off|logging off], {bye} all, {good} [runs|games] [today|tonight]
A {bye} {you}, sleep well
A {bye}! same time {soon}?
A already? it's only {time2}
A night, say hi to {you.pet}
a {soon}, {yes}, {bye}
a I'm old, {bye}
a {me.pet} says night too
S {bye}, thanks for the [heals|laughs|carry]

== joke_war : general
-- tell+
Q [confession|unpopular opinion]: I like {food} [better cold|best the next day|with jam]
Q unpopular opinion: {game} is better [without|with] {setting}
Q hot take, {boss} is just a [big|sad] [goose|cat] with {item}
A [agreed|finally], somebody said it
A {wow}, no, [banned|out], take {food} with you
A I [respect|fear] the courage
A {who} said the same [and where are they now|last week]
a [banned|jailed] for honesty
a {who} was right then
a I stand by it, [cold|every word]
S this is worse than [what {who} said|the time with the moat]
-- which+
Q would you rather fight {boss} [once|a day] or do {chore} forever?
Q would you rather have {item} in real life or free {food} forever?
A {boss}, [at least|it] drops things
A {chore}, I'm [tired|a coward]
A {food}, no [doubt|question]
A {item}, imagine the [commute|meetings]
a {item} in a meeting, {laugh}
a you'd [get bored|change your mind] after {num} days
a wise
S {who} would do both at once
"""
