"""Topic bank of The Lantern alone: the soup incident, lantern ratings, Gerald and the rest."""

BANK = """
== soup_incident : general raids life
-- what+
Q what [exactly|really] happened in the soup incident?<  nobody tells it the same way>
Q can someone explain the soup incident to {who}?
A Saffi [was cooking|had the pot on], Bramble pulled {boss}, and {num} minutes later there was [soup|leek soup] in the [gpu|keyboard]
A we don't talk about the soup incident<, not since {day}>
A it was leek, it was hot, and it was [everywhere|inside the router]
A legally, the soup was already on the floor when Bramble logged in
A Tinker's old card still smells of leek, that's all I [know|will say]
a leek! [I always heard|they told me] tomato
a and the gpu [lived|survived]?
a so Bramble is not allowed near [pots|ladles] now, understood
S never forget the ladle
S soup o'clock is a [sacred|cursed] hour
S I was muted and I still heard the [splash|ladle]
-- yesno+
Q are we [safe|ok] to pull {boss}, or is Saffi [cooking|making soup] again?
Q is there soup on [anyone's|your] stove right now, {you}? safety check
Y {yes}, a small one, lid on, ladle [hidden|locked away]
Y {yes}, but no leeks this time, [promise|I learned]
N {no}, [stove|kitchen] is cold, you can pull
N {no}, only {drink}, soup level zero
y then we wait, we have [rules|history]
n {good}, soup level zero confirmed, pulling {boss}

== gerald_moth : general media games
-- tell+ img
Q Gerald is [back|here], sitting on [my monitor|the lamp] at {place}
Q saw Gerald the moth [near|at] {place} [tonight|again], he looks [bigger|wise]
A all hail Gerald, [keeper|eater] of the flame
A tell Gerald he owes me {big} {currency}
A did he [bless|eat] the {item} [this time|too]?
A dim the [lights|screen], Gerald needs [rest|respect]
a he [blessed|chewed] it, [it's shinier|both even]
a dimmed, he [nodded|hums]
S Gerald for [raid leader|president], again
S moths don't live that long. [Gerald chooses to|don't tell him]
-- who
Q who [fed|woke] Gerald?
A Nimbus did, [with a sock|a whole scarf]
A Mossy, of course, she sings to him
A {who}, and now he wants [capes|more wool]
a a whole scarf! [he'll be huge|poor scarf]
a capes are expensive, Gerald

== lantern_rating : media games life
-- how+
Q how many lanterns do you give {film}?
Q lantern rating for {food} with {spice}, [please|go]?
Q rate [my|the] {place} run, in lanterns?
A [three|four|two] lanterns, [would light again|one went out]
A five lanterns out of five, [fully lit|blinding]
A half a lantern, and it [flickers|smells of soup]
A one lantern, [and that's Gerald's|the wick is wet]
a half? [rude but fair|I'll take the other half]
a five! [frame it|Wren never gave me five]
a I accept the lanterns
S Wren has never given five, it's [tradition|a fact]
S Harrow gives everything four, [don't ask him|bless him]

== oil_tax : general raids
-- complain+
Q who forgot the oil tax [this week|again]? the vault is {big} {currency} short
Q Wren is collecting the oil tax, [hide|everyone look poor]
A I paid on {day}, in [fish|instalments]
A take it from Kestrel, she [spent|yelled] hers on {item}
A the oil tax is [theft|tradition], here's {big2}
A I paid in soup, [it counts|check the bylaws]
a fish are not {currency}, we voted
a {thanks}, the flame [stays lit|lives another week]
S no oil, no light, [no loot|no mercy]
S Dov has not paid since [spring|the ferry]

== pip_ladder : general raids games
-- tell+
Q Pip fell off the ladder [at|in] {place} again, that's number {big}
Q ladder count: Pip {big}, ladders zero... no wait, other way round
A put the counter in the [topic|pins]
A in Pip's defense the ladder was [looking at them|rude]
A we built [stairs|a ramp] for a reason
A {num} of those were [pushes|Kestrel], I saw it
a the ramp is [for winter|out of oil]
a updated, [thanks|ladders lead again]
S gravity main
S a moment of silence for Pip's knees
"""
