"""Topic bank: raids, bosses, builds, loot and everything one does in the game together."""

BANK = """
== raid_time : raids general
-- when+
Q [what time|when] [are we [starting|doing|pulling]|do we [start|do|pull]] {boss} [tonight|on {day}]?
Q when is the {boss} run [tonight|this week|on {day}]?<  I need to plan dinner>
Q what time is the raid [tonight|on {day}]?< I have {chore} to do first>
A {time} [works for me|is fine by me|sounds good]<, I'll be done with {chore} by then>
A [let's say|I'd say|how about] {time}<, {who} gets home [late|around then]>
A {time}<, same as [last week|always]>< so we have {mins} minutes to argue about loot>
A the sign-up says {time}<, but {who} is always {mins} minutes late>
A can we do {time}? I still have to [finish|do] {chore}
A {time2} at the earliest for me<, {work} [ate|is eating] my evening>
a {time} it is then<, bring [potions|snacks|patience]>
a ok, [putting|writing] {time} on the calendar
a [{time}|that] works, I'll [ping|poke] {who}< and the others>
a {good}, that gives me time for {chore}
a that's [a bit late|a bit early] for me but I'll manage
S I can be there at {time2} but not [before|earlier]<, sorry>
S {time} is fine if someone [wakes|feeds] me
S I'll be there, {time} or [not|so]<, with {drink}>
-- yesno+
Q are you [coming|in] for {boss} [on {day}|tonight]?
Q can [you|anyone] [make it|come] to the {boss} run on {day}?
Q is anyone up for {boss} [tonight|on {day} night]<, we are {small} short>?
Y {yes}, [count me in|I'm in|put me down]<, on {me.class}>
Y {yes}, but I have to leave at {time}
Y {yes}, if [{who}|somebody else] [heals|tanks]<, I refuse to do it again>
N {no}, I'm [stuck with|busy with] {work}<, sorry>
N not [on {day}|this time|tonight], I promised to [watch {film}|help with {chore}]
N can't, [{me.pet} is at the vet|I'm at my parents'|my internet is down again]
y {good}, that makes {num}
y {thanks}, [I'll add you|adding you] to the list
y perfect, [we needed a|another] {you.class}
n no worries, [next time|there's always next week]
n [aw|ah], ok, I'll ask {who} [then|instead]
n {bad} luck, good luck with that
S put me on the bench list<, I can fill in for anyone>
S I'll come as [backup|a spare]<, tell me by {time}>
-- who
Q who is [tanking|healing|leading|calling] [{boss}|this time|tonight]?
Q who [has|is on] interrupts for {boss}?
A {who}, [if they show up|as always|after {drink}]
A me, [I suppose|apparently]<, nobody else raised a hand>
A I think {who} [volunteered|was volunteered]<, loudly>
A {who} [said they would|owes us one]<, so {who}>
a {who}? [bold|brave], I like it
a ok, then I'm bringing [extra potions|a book]
a works for me
S anyone but {who2}, please
S {who2} did it last time and we [wiped {num} times|died to trash]
-- which
Q which one first, {boss} or {boss2}?
Q do we [want|start with] {boss} or {boss2}?
A {boss} first, [while we're fresh|it drops the good stuff]
A {boss2}, [it's quicker|we know it better]<, then {boss} if there's time>
A {boss}, I [need|still need] {item} from it
a {boss}? ok, [fine|deal]<, {mins} minutes tops>
a fair [enough|point], [we do that|let's do that]
S whichever has [less running|fewer adds]

== boss_tactics : raids games
-- how+
Q how do you [survive|get past|deal with] the [second|last|fire] phase of {boss}?
Q any tips for {boss}? [we|I] keep [dying|wiping] at {percent}
Q how [on earth|exactly] do you [dodge|block] {boss}'s [slam|sweep|breath|scream]?
A [stay|stand] [behind the pillar|left of it|close to its tail] and [wait|count to three]< before you roll>
A [bring|equip] {item}, it [trivialises|halves the damage of] that [phase|part]
A save your [potions|cooldowns] for {percent}, then [burn|blow everything]
A kill the adds [first|slowly], then [stack|spread] [in the middle|at the door]
A more {stat}, less panic<, that's how I did it>
A ask {who}, they [soloed|did] {boss} with [a shovel|no armor|one hand]
a oh, [behind|so we were] the whole time on the wrong side, {thanks}
a I'll try that [tonight|with {who}], {thanks}
a that [makes sense|explains a lot], we did the opposite
a {stat}? I have [none|almost none] of that
S also [turn|switch] {setting} off, you can't see the [floor|telegraphs] otherwise
S don't listen, just [run in circles|let {who} die first]
S it took us {num} [tries|evenings], don't feel bad
-- brag+
Q {boss} is [down|dead]! [{big} tries|{num} hours] and {who} [cried|screamed]
Q we finally [beat|killed] {boss} with [{percent}|one person] left [alive|standing]!
Q guess who just [soloed|no-hit] {boss} on {me.class}
A {wow}, congrats! [what dropped|did you get {item}]?
A gg! [was {who} alive at the end|how many wipes]?
A [no way|seriously], {boss}? I've been stuck there for [weeks|{num} days]
A {good} job, [screenshot|clip] or it didn't happen
a {who} died at {percent} and [narrated|watched] the rest from the floor
a we got {item} and [two|three] useless [boots|rings], [as usual|naturally]
a {num} wipes and one [pizza|nap] break
S and nobody [stood|died] in the fire? I don't believe it
-- complain+
Q {boss} is [so|just] [unfair|broken|rude], that [grab|one-shot] has no warning
Q [I hate|I'm done with] {boss}, [{num}|{big}] deaths and I can't even see phase two
A the warning is the [sound|roar], [put|turn] your volume up
A [take|have] a break and {drink}, it's always the [first|next] try after that
A {yes}, same here, I [gave up|quit] at {percent}
A want help? I'm [free|around] at {time}
a the sound? I play with {genre} on, that explains it
a ok, [break|{drink}] first, then revenge
a help would be {good}, {thanks}
S it's {boss}, it's supposed to hate you
-- what
Q what's [your|the] best [attempt|pull] so far?
Q what [percent|health] did you get it to?
A {percent}, then {who} [sneezed|disconnected|hit the wrong key]
A about {percent}, [so close|I could taste it]
A phase two, so [not great|basically nothing]
a {percent}? that's [closer|better] than us
a keep going, it [falls over|gives up] soon

== builds : games raids
-- which+
Q which is better for {me.class}, {item} or {item2}?
Q should I [go|stack] {stat} or {stat2} on {me.class}?
Q {item} or {item2}? I can only afford one
A {item}, [easily|no contest]<, the {stat} on it is [silly|huge]>
A {item2} until the patch, then {item}
A depends, {item} for bosses and {item2} for [farming|everything else]
A {stat}, [always|everyone underestimates it]
A {stat2} until you hit {big}, then {stat}
a ok, {item} then<, my wallet cries>
a {thanks}, that's what {who} said too
a I was hoping you'd say the [cheap|other] one
S whichever [looks better|matches your hat], fashion first
S {who} uses {item} and never shuts up about it
-- how+
Q how do you [build|gear|play] {me.class} in {game} [now|these days]?
Q [any|got any] advice for a {me.class} [beginner|at level {big}]?
A put everything into {stat}, then [grab|craft] {item}
A forget {stat}, [it's capped|nobody needs it], get {item} [from {place}|off {boss}]
A watch {who} play and do the [opposite|same but slower]
A easy, {item} and {item2} together, [they stack|it's barely legal]
a {item} from {place}, [noted|got it]
a is {item} hard to get?
a {thanks}, I've been doing it [wrong|backwards] for {small} months
S don't sell your old {item2}, you'll [want|need] it later
-- what+
Q what are you [maining|playing] [this season|in {game}] {you}?
Q what class is everyone [rolling|picking] for {game}?
A {me.class}, [as ever|obviously|till I die]
A still {me.class}<, I'm too old to learn buttons>
A {me.class}, but I'm thinking about [a healer|something with pets]
a {you.class}, [of course|should have guessed]
a we have [{small} of those|too many {you.class}s] already
S nobody wants to heal, [noted|shocking]
-- yesno
Q is {item} still [worth it|good] after the patch?
Q did they [nerf|change] {item}?
Y {yes}, [still|it's] the best in slot<, for {stat} at least>
Y {yes}, and it [even got better|costs less now]
N {no}, they cut it by [{percent}|a third], [sell it|let it go]
N not really, {item2} [beats|outdoes] it now
y {good}, I just [spent everything on|bought] one
n of course, I [bought it yesterday|just finished farming it]
n rip my {item}

== loot : raids games
-- yesno+
Q has anyone [gotten|seen] {item} [drop|from {boss}] yet?
Q did {item} drop for [you|anyone] [last night|yet]?
Y {yes}, [second|third|first] run, [don't hate me|sorry]
Y {yes}, {who} got {small} of them and [sold|vendored] them all
N {no}, {big} runs and [all I have is|just] [boots|pity|dust]
N not once, I [think|swear] it's a myth
N {no}, the drop chance is {percent}, I looked it up
y [first|second|third] run?! I'm at {big}
y {you} has {who}'s luck, I [hate|love] it
n {percent}? [that's cruel|I'll never see it]
n we should [form|start] a support group
S I [vendored|deleted] one by accident in [my first week|spring]
S loot goes to whoever [complains|needs it] least
-- brag+
Q {item} [finally dropped|just dropped]! after {big} [runs|kills]!
Q look what {boss} [gave|handed] me, {item}, first try
Q I opened [one chest|a single box] in {place} and got {item}
A [unbelievable|I'm so jealous], I have been [farming|after] that for {small} months
A congrats! [what are the stats|is the {stat} any good]?
A {wow}, on {you.class} you can't even use it
A first try?? [give it back|delete this]
a {big} {stat}, [max roll|nearly perfect]
a I can't use it but I [look|feel] {good}
a jealousy [looks good on|suits] you
S split it, half for [me|{who}]
S next round of {drink} is on {you}
-- complain+
Q {num} hours of {boss} and [not one|no] {item}
Q another week, another pair of [boots|gloves] from {boss}
A I got {item} [yesterday|on my alt], [sorry|if that helps]
A {num} hours is nothing, {who} did {big} [runs|kills]
A [maybe|try] {place}, the [drop|loot] table is kinder there
A boots are [useful|shoes], be grateful
a {place}? is that not for {stat} gear?
a I have [eleven|{num}] pairs, I could open a shop
a of course you did
S the game [knows|can smell] that you want it
-- how
Q how many runs [did it take|are you at]<, roughly>?
Q how many {boss} runs is that now<, {you}>?
Q how long did you farm for it?
A {big}, [I kept a list|I counted]
A [about|roughly] {num} evenings<, I watched all of {show} meanwhile>
A I stopped counting at {big}
a {big}? you need [a hobby|daylight]
a that's [not so bad|dedication]

== trading : games
-- what+
Q what do you want for {item}?
Q how much is {item} [worth|going for] [now|these days]?
A {big} {currency}, [friend price|firm]
A {big} {currency} or a {item2}, [I'm flexible|your pick]
A last I looked it was {big} {currency}<, {who} bought one on {day}>
a {big}? [robbery|daylight robbery], I'll give you half
a deal, [meet me|see you] in {place}
a ok, sold, [sending|mailing] it now
S I'd pay {big} for that
S don't sell before the patch, it [doubles|goes up] every time
-- yesno+
Q does anyone [have|need] a spare {item}? I'll trade [{item2}|{big} {currency}]
Q [anyone|is anyone] selling {item}?
Y {yes}, [I have two|check your mailbox], take it
Y {yes}, {big} {currency} and it's yours
N {no}, I [sold|gave] mine to {who}
N not me, but {who} hoards those in the [vault|guild bank]
y {wow}, {thanks}, I [owe you|will repay you in fish]
y {good}, meet at {place}?
n {who} hoards everything, I'll ask
n ah well, [back to farming|I'll keep looking]
-- where
Q where [shall we|do we] meet?
A {place}, [by the well|at the bridge|next to the mailbox]
A my [base|house], mind the [moat|dog|traps]
A {place}<, in {mins} minutes>
a on my way<, {mins} minutes>
a {place} it is

== base_building : games media
-- tell+ img
Q [I|we] [built|added] {build_part} [out of|from] {material} [today|last night]
Q [finished|just finished] {build_part} at [the base|{place}], {num} hours and all our {material}
A {wow}, the {material} [looks so good|really works] [there|with it]
A is that {material}? I thought you [hated|ran out of] it
A it's {good}, but where do [the stairs|the horses|guests] go?
A {who} is going to [fall into|set fire to|crash into] that within [a day|the hour]
a {yes}, all {material}, {who} [donated|"donated"] it
a stairs are [for cowards|next week]
a I've already put up a sign for {who}
S needs more [plants|lanterns|cats]<, everything does>
S I'm moving in, [hope that's ok|you can't stop me]
-- which+
Q {material} or {material2} for the [roof|walls|floor]?
Q should {build_part} be {color} or {color2}?
A {material}, {material2} [looks|is] so [dull|cold] at night
A {material2}, [trust me|it goes with the door]
A {color}, [definitely|and fight anyone who says {color2}]
A {color2}, we have enough {color} as it is
a {material}? [bold|hm, ok], I'll try it
a ok, [decided|done], no more votes
S both, [stripes|checkers]
S ask {who}, they have [taste|opinions about {material}]
-- complain+
Q who [put|built] {build_part} in front of my [door|bed|farm]?
Q someone [blew up|flooded|burned down] {build_part} [again|while I was asleep]
A it was {who}, I have [witnesses|screenshots]
A that was me, [sorry|it was art], I'll [fix|move] it {soon}
A it was there first, your [door|farm] came later
A probably the [creepers|goblins|wind], [definitely not me|I wasn't even here]
a {who}? [I knew it|of course]
a fine, but you're paying in {material}
a art, [sure|right]
S vote to ban {who} from [explosives|matches|buckets]
-- how
Q how much {material} do you need [for that|still]?
A {big} [stacks|blocks]<, give or take>
A {big}, and {who} has been [eating|hiding] it
a {big}?! [ok, I'll dig|that's the whole hill]
a I can bring {big2} [tonight|{soon}]

== fishing : games media
-- brag+ img
Q caught a {fish} [in|at] {place}! {big} [kilos|pounds]!
Q look at this {fish}, took me {mins} minutes to [reel|land]
A {wow}, that's [bigger|heavier] than {who}'s
A [beautiful|gorgeous], what bait did you use?
A {place}? I only ever catch [old boots|weeds] there
A that {fish} has [seen things|kind eyes], put it back
a [worms|glowworms|cheese], [believe it or not|don't tell {who}]
a {who} will never hear the end of it
a patience, and {drink}
S {you} the fish whisperer
S frame it, hang it in the hall
-- what+
Q what bait do I need for a {fish}?
Q where do you [find|catch] {fish}?
A {place}, [at night|when it rains|at dawn], with [glowworms|cheese|shrimp]
A [glowworms|shrimp|cheese], and [only in|wait for] the rain
A the [bridge|pier] at {place}, but [go|be there] before sunrise
a at {place}? I was there all [day|evening], {laugh}
a {thanks}, off to [dig|buy] some
S it's the best minigame in {game}, don't @ me
-- complain
Q another old boot, [that's|boot number] {num}
A {num} more and you can open a [shop|shoe shop]
A you're reeling too early, wait for the second [tug|splash]
a second tug, [got it|ok], trying
a boots for everyone's birthday then

== speedruns : games
-- brag+
Q new [personal best|pb] in {game}, [under|just under] {mins} minutes!
Q I [shaved|cut] {num} seconds off my {place} split
A {good}! what did you [skip|change]?
A {wow}, that's almost {who}'s time
A and the [run-ending|usual] {boss} death? not today?
A pics of the timer, {friend}
a I skip {boss} with the [wall clip|crate jump] now
a {num} seconds behind {who}, I can smell it
a died {num} times first, don't ask
S world record by {day}, calling it
S my pb is [{num} hours|yes], I stop to pet every dog
-- how+
Q how do you do the {place} skip?
Q how is [a run|any%] that [short|fast] even possible?
A jump [twice|sideways] at the [fence|crate] and [hold|mash] [crouch|block]
A you [clip|slide] through the [door|wall] before it loads, took me {big} tries
A save right before {boss}, reload, you're [behind|past] the gate
a sideways! I was going [forward|backwards]
a {big} tries, I'd have [cried|quit] at ten
S or just play the game normally, [scenery|story] and all

== new_game : games general
-- yesno+
Q did [you|anyone] see the {newgame} [trailer|announcement]?
Q is anyone [getting|buying|trying] {newgame} {soon}?
Y {yes}, [day one|already preordered]<, I have no self control>
Y {yes}, it looks like {game} with [boats|horses|better hair]
Y {yes}, I'm in if {who} [is|buys it]
N {no}, I still have {num} [unplayed games|games] in the pile
N not at that price, I'll wait for [a sale|the reviews]
y [want to|shall we] make a group [then|on launch day]?
y better hair is [all I need|a strong argument]
n the pile of shame, I know it [well|too well]
n sensible, [who are you|I'm not]
S can't be worse than their last one
S my computer will [melt|burst into flames]
-- what
Q what kind of game is [it|{newgame}]?
Q is {newgame} more like {game} or something [new|weird]?
A [co-op|open world] survival with [fishing|trains|bees]
A like {game} but [slower|on an island|in space]
A a [farming|cooking] game with [too many|surprise] monsters
a say no more, [I'm in|sold]
a with {you.drink} and rain outside, perfect
-- when
Q when does it come out?
Q when is the {newgame} beta<, and who has keys>?
A {day}, at {time} [our time|UTC]
A {soon}<, if they don't delay it again>
A {day2} I think, {who} has it in the calendar
a {good}, I'm taking that [day|evening] off
a so soon? I'm not [ready|done with {game}]

== patch : games raids general
-- tell+
Q patch notes are [out|up]: {item} nerfed, {boss} has [more health|a new phase] {link}
Q they [finally fixed|changed] {place} in the new patch {link}
Q new patch in {game}, {big} [gigs|fixes], and [fishing|{stat}] got buffed
A {item}? [again|why]? it was [fine|the only thing I had]
A {good}, {boss} was [too easy|a joke] anyway
A does it fix the one where {who} {bug}?
A {big} gigs, see you all on {day}
a {yes}, second line from the [bottom|top]
a they said "{stat} was overperforming", so there
a {no}, that's a feature [apparently|by now]
S nobody asked for that
S I'm reading it with {drink}, back in {mins} minutes
-- yesno+
Q is [the patch|{game}] [live|up] yet?
Q are the servers back?
Y {yes}, since {time}
Y {yes}, but the queue is {big} people
N {no}, they [extended|moved] it to {time}
N not yet, {mins} more minutes, they say
y {good}, [downloading|getting in line]
n {time}? [I'll eat first|time for {chore} then]
n it's always {mins} more minutes
-- what
Q what [changed|happens] for {me.class}<, [good or bad|be honest]>?
Q did they [touch|change|fix] {me.class} [this time|at all]?
A {stat} down, {stat2} up, so [basically|more or less] nothing
A you lose {percent} damage but {item} got [better|cheaper]
A buffed, [finally|a tiny bit]
a I'll take it
a {percent}? I won't even [feel|notice] that

== bugs : games tech
-- tell+ img
Q my [horse|character|tent] [just|now] {bug} at {place}
Q {npc} {bug} every time I [talk to|look at] [him|her|them]
A [same|that happened to me], reloading [helped|fixed it]
A did you turn {setting} [on|off]? that [does|causes] it
A it's art, [leave it|don't report it]
A report it with {link}, they [fixed|answered] mine in {num} days
a reloading worked, {thanks}
a {setting} was the [culprit|problem], {wow}
a reported, with a [picture|clip]
S {npc} has had enough of [us|{game}]
S that's how [{who}|I] always [looks|moves]
-- yesno+
Q does {game} [crash|freeze] for anyone else [at|near] {place}?
Q is it just me or is {boss} [invisible|stuck in the wall]?
Y {yes}, every {mins} minutes
Y {yes}, since the patch, {who} too
N {no}, runs fine here, [maybe|probably] {part}
N not for me, [check|verify] the game files
y ok so it's not my [computer|imagination]
n verifying now, {thanks}
n {part} again? I just [cleaned|replaced] that
S turn {setting} down, that helped me

== lore : games
-- what+
Q what do you think {npc} [wants|is hiding|was before the war]?
Q who [built|abandoned] {place}, [does the game say|any theories]?
Q why does {npc} never [leave|mention] {place}?
A {npc} is [obviously|clearly] [a ghost|the villain|{boss}'s child], read the [notes|murals] in {place}
A I think {place} was a [prison|bathhouse|library], look at the [doors|windows]
A the [journal|painting] in {place} says {npc} [drowned|left|lied], so [a ghost|guilt]
A {boss} was [human|a king] once, and {npc} [knew|loved] them
a a ghost! that explains [the soup|the cold|the singing]
a there's a journal? I [missed|sold] that
a I like it, but then who [wrote the letters|rang the bell]?
S or the writers [forgot|were tired]
S everything is a metaphor for [taxes|winter]
-- yesno
Q do you think {npc} [dies|comes back] in the [expansion|sequel]?
Y {yes}, [they always do|I can feel it], and I will cry
Y {yes}, {npc} was in the trailer for half a second
N {no}, too popular, they sell {npc} plushies
N never, {npc} [knows|owes] too much
y don't [say that|spoil it], I just got attached
n I own {num} of those plushies, so good
"""
